import ArgumentParser
import Tokenizers

struct TokenizerTrainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "train", abstract: "Train a tokenizer on files, each one sequence, and write its directory.")

    @Argument(help: ArgumentHelp("UTF-8 text files.", valueName: "file")) var files: [String]
    @Option(help: "Maximum vocabulary size.") var vocabSize = 52_000
    @Option(help: "Minimum frequency of a pair to be merged.") var minFrequency = 2
    @Option(help: ArgumentHelp("The tokenizer directory to write.", valueName: "dir")) var out: String
    func run() throws {
        let start = ContinuousClock.now
        let trainer = try BPETrainer(vocabularySize: vocabSize, minFrequency: minFrequency)
        for file in files { try trainer.addFile(file) }
        let tokenizer = try trainer.train()
        let seconds = (ContinuousClock.now - start).inSeconds
        let peak = peakResidentMegabytes()
        try tokenizer.save(directory: out, modelMaxLength: 512)
        print(
            """
            {"bench": "tokenizer train", "train_s": \(decimals(seconds, 4)), "train_peak_rss_mb": \(peak), \
            "vocab": \(tokenizer.vocabularySize)}
            """)
    }
}
