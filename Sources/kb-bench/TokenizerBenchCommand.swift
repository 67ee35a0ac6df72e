import ArgumentParser
import FoundationEssentials
import Tokenizers

/// The fields of `hf_tokenizer_bench.py`: the same work, on the same file, in the same order.
struct TokenizerBenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench", abstract: "Measure training and encoding on one file.")

    @Argument(help: ArgumentHelp("UTF-8 text.", valueName: "file")) var file: String
    @Option(help: "Tokens at most.") var vocab = 52_000

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
        let tokens = trained.encodeBatch(lines).reduce(0) { $0 + $1.count }
        let batch = (clock.now - start).inSeconds

        let cold = trained.withEmptyCache()
        start = clock.now
        var check = 0
        for line in lines { check += cold.encode(line).count }
        let serial = (clock.now - start).inSeconds
        precondition(check == tokens, "one by one and in a batch the ids are the same")
        print(
            """
            {"peer": "kantaibert", "train_s": \(decimals(train, 4)), "train_peak_rss_mb": \(peak), \
            "vocab": \(trained.vocabularySize), "encode_batch_mb_per_s": \(decimals(megabytes / batch, 2)), \
            "encode_serial_mb_per_s": \(decimals(megabytes / serial, 2)), "tokens": \(tokens)}
            """)
    }
}
