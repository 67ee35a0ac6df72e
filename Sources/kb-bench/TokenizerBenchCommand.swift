import ArgumentParser
import FoundationEssentials
import Tokenizers

/// Performs the same work as `hf_tokenizer_bench.py`, on the same file and in the same order, with
/// the same output fields.
struct TokenizerBenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench", abstract: "Measure training and encoding on a file.")

    @Argument(help: ArgumentHelp("A UTF-8 text file.", valueName: "file")) var file: String
    @Option(help: "Maximum vocabulary size.") var vocab = 52_000

    func run() throws {
        let clock = ContinuousClock()
        var start = clock.now
        let trainer = try BPETrainer(vocabularySize: vocab, minFrequency: 2)
        try trainer.addFile(file)
        let trained = try trainer.train()
        let train = (clock.now - start).inSeconds
        let peak = peakResidentMegabytes()

        let text = String(decoding: try Data(contentsOf: URL(filePath: file)), as: UTF8.self)
        let megabytes = Double(text.utf8.count) / 1e6
        let lines = text.utf8.split(separator: UInt8(ascii: "\n")).compactMap { line in
            let line = String(decoding: line, as: UTF8.self)
            return line.unicodeScalars.allSatisfy(\.properties.isWhitespace) ? nil : line
        }

        start = clock.now
        let tokens = trained.encodeBatch(lines, specialTokens: .recognized).reduce(0) { $0 + $1.count }
        let batch = (clock.now - start).inSeconds

        let cold = trained.withEmptyCache()
        start = clock.now
        var check = 0
        for line in lines { check += cold.encode(line, specialTokens: .recognized).count }
        let serial = (clock.now - start).inSeconds
        precondition(check == tokens, "encoding one by one and in a batch gives different ids")
        print(
            """
            {"peer": "kantaibert", "train_s": \(decimals(train, 4)), "train_peak_rss_mb": \(peak), \
            "vocab": \(trained.vocabularySize), "encode_batch_mb_per_s": \(decimals(megabytes / batch, 2)), \
            "encode_serial_mb_per_s": \(decimals(megabytes / serial, 2)), "tokens": \(tokens)}
            """)
    }
}
