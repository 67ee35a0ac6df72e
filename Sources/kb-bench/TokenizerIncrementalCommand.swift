import ArgumentParser
import Datasets
import FoundationEssentials
import Glibc
import Jobs
import Tokenizers

/// Measures the cost of adding a corpus when the word counts of the others are cached.
struct TokenizerIncrementalCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "incremental",
        abstract: "Compare training on all files with adding the last one to cached word counts.")

    @Argument(help: ArgumentHelp("UTF-8 text files.", valueName: "file")) var files: [String]
    @Option(help: "Maximum vocabulary size.") var vocab = 52_000

    func run() throws {
        let clock = ContinuousClock()
        let folder = FileManager.default.temporaryDirectory.path + "/kb-bench-\(getpid())"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let store = WordCountStore(directory: folder + "/counts")

        var start = clock.now
        let whole = try BPETrainer(vocabularySize: vocab, minFrequency: 2)
        for file in files { try whole.addFile(file) }
        let wholeCounted = (clock.now - start).inSeconds
        let wholeTokenizer = try whole.train()
        let wholeSeconds = (clock.now - start).inSeconds

        let corpora = try files.map { try JobCorpus(file: $0, name: $0) }
        for corpus in corpora.dropLast() { _ = try store.counts(sha256: corpus.sha256, file: corpus.path) }
        start = clock.now
        let grown = try BPETrainer(vocabularySize: vocab, minFrequency: 2)
        for corpus in corpora { grown.add(try store.counts(sha256: corpus.sha256, file: corpus.path)) }
        let grownCounted = (clock.now - start).inSeconds
        let grownTokenizer = try grown.train()
        let grownSeconds = (clock.now - start).inSeconds

        var same = true
        try wholeTokenizer.save(directory: folder + "/whole", modelMaxLength: 512)
        try grownTokenizer.save(directory: folder + "/grown", modelMaxLength: 512)
        for name in ["vocab.json", "merges.txt"] {
            same =
                try same
                && Data(contentsOf: URL(filePath: "\(folder)/whole/\(name)"))
                    == Data(contentsOf: URL(filePath: "\(folder)/grown/\(name)"))
        }
        print(
            """
            {"bench": "tokenizer incremental", "files": \(files.count), "all_count_s": \(decimals(wholeCounted, 4)), \
            "all_s": \(decimals(wholeSeconds, 4)), "one_more_count_s": \(decimals(grownCounted, 4)), \
            "one_more_s": \(decimals(grownSeconds, 4)), "same_result": \(same)}
            """)
        if !same { throw ExitCode(1) }
    }
}
