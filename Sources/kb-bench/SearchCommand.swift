import ArgumentParser
import FoundationEssentials
import Glibc
import TextSearch

/// Measures the search index of a text: building it, and the questions.
struct SearchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "search", abstract: "Measure building and asking the search index of a text.",
        discussion: """
            Builds the index in a temporary directory. Answers to trace are made of the text: pieces of 3 to 12 words from \
            random places, 100 words in all. Prints one JSON object for the build and one for each kind of question, with \
            times in milliseconds, and the memory in use apart from mapped files.
            """)

    @Argument(help: ArgumentHelp("A UTF-8 text file.", valueName: "file")) var file: String
    @Option(help: "Lengthen the text to this many megabytes, with recombined lines and invented words.") var megabytes =
        0
    @Option(help: "Threads that sort.") var threads = 1
    @Option(help: "Number of questions of each kind.") var rounds = 20
    @Option(
        name: .customLong("query"), parsing: .upToNextOption,
        help: "Queries for find instead of those that are built in.")
    var queries: [String] = []

    func validate() throws {
        guard (0...20_000).contains(megabytes) else { throw ValidationError("--megabytes must be 0 to 20000.") }
        guard (1...64).contains(threads) else { throw ValidationError("--threads must be 1 to 64.") }
        guard (1...10_000).contains(rounds) else { throw ValidationError("--rounds must be 1 to 10000.") }
    }

    func run() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "kb-bench-search-\(getpid())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let (text, index) = (folder.appending(path: "text").path, folder.appending(path: "index").path)
        let source = try Data(contentsOf: URL(filePath: file))
        try LongText.write(source, bytes: megabytes * 1_000_000, to: text)

        let digest = String(repeating: "0", count: 64)
        let (start, processor) = (ContinuousClock.now, clock())
        try CorpusIndex.build(text: text, sha256: digest, at: index, threads: threads)
        let seconds = (ContinuousClock.now - start).inSeconds
        let processorSeconds = Double(clock() - processor) / Double(CLOCKS_PER_SEC)
        let peak = peakResidentMegabytes()
        let opened = try CorpusIndex(text: text, index: index, sha256: digest)
        let textMegabytes = Double(opened.textBytes) / 1e6
        print(
            """
            {"bench": "search build", "mb": \(decimals(textMegabytes, 1)), "threads": \(threads), \
            "s": \(decimals(seconds, 2)), "cpu_s": \(decimals(processorSeconds, 2)), \
            "mb_per_cpu_s": \(decimals(textMegabytes / processorSeconds, 1)), "peak_rss_mb": \(peak), \
            "index_per_text": \(decimals(Double(opened.indexBytes) / Double(max(1, opened.textBytes)), 3))}
            """)

        let search = CorpusSearch([opened])
        var random = LongText.Random(state: 1)
        let answers = (0..<rounds).map { _ in LongText.answer(source, words: 100, &random) }
        var spans = 0
        try measure("search trace", "", answers) { spans += try search.trace($0).spanCount }
        let masks = (0..<rounds).map { _ in LongText.answer(source, words: 12, &random) }
        try measure("search contexts", "", masks) { mask in
            let words = mask.split(separator: " ")
            let middle = words.count / 2
            let candidates = [String(words[middle]), "reason", "the", "of", "is"]
            _ = try search.contexts(
                before: words[..<middle].joined(separator: " ") + " ", candidates: candidates,
                after: " " + words[(middle + 1)...].joined(separator: " "))
        }
        let expressions = ["reas.*", ".*ing", "(pure|practical) reason", "[aeiou].* .*tion"]
        let texts = [
            "reason", "the", "of the", "pure reason", "reas*", "the reas*", "the * of", "*ing",
            "categorical imperative", "*",
        ]
        for query in queries.isEmpty ? texts : queries {
            try find(search, query, .words)
        }
        if queries.isEmpty { for query in expressions { try find(search, query, .regularExpressions) } }
    }

    private func find(_ search: CorpusSearch, _ text: String, _ syntax: SearchQuery.Syntax) throws {
        let query = try SearchQuery(text, syntax: syntax)
        var total = 0
        try measure(
            "search find", #""query": "\#(text)", "#, (0..<rounds).map { _ in query },
            note: { #", "total": \#(total)"# }
        ) { total = try search.find($0).total }
    }

    private func measure<Question>(
        _ name: String, _ fields: String, _ questions: [Question], note: () -> String = { "" },
        _ ask: (Question) throws -> Void
    ) throws {
        var times: [Double] = []
        let processor = clock()
        for question in questions {
            let start = ContinuousClock.now
            try ask(question)
            times.append((ContinuousClock.now - start).inSeconds * 1000)
        }
        let processorMilliseconds =
            Double(clock() - processor) / Double(CLOCKS_PER_SEC) * 1000 / Double(questions.count)
        let first = times[0]
        times.sort()
        print(
            """
            {"bench": "\(name)", \(fields)"first_ms": \(decimals(first, 2)), "median_ms": \(decimals(times[times.count / 2], 2)), \
            "worst_ms": \(decimals(times.last!, 2)), "cpu_ms": \(decimals(processorMilliseconds, 2)), \
            "anonymous_mb": \(Self.anonymousMegabytes())\(note())}
            """)
    }

    /// Returns the resident memory that is not backed by files.
    private static func anonymousMegabytes() -> Int {
        let status = (try? String(contentsOf: URL(filePath: "/proc/self/status"), encoding: .utf8)) ?? ""
        let line = status.split(separator: "\n").first { $0.hasPrefix("RssAnon:") }
        return (line?.split(whereSeparator: { !$0.isNumber }).first.flatMap { Int($0) } ?? 0) / 1024
    }
}

/// Texts made of another one, as long as wanted.
enum LongText {
    /// SplitMix64.
    struct Random: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state &+= 0x9e37_79b9_7f4a_7c15
            var z = state
            z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
            z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
            return z ^ (z >> 31)
        }
    }

    /// Writes a text, followed by lines that are halves of two of its lines, with an invented word in each eighth: the
    /// number of distinct words grows with the text.
    static func write(_ source: Data, bytes: Int, to path: String) throws {
        try source.write(to: URL(filePath: path))
        let lines = source.split(separator: UInt8(ascii: "\n")).map { $0.split(separator: UInt8(ascii: " ")) }
            .filter { $0.count > 1 }
        guard !lines.isEmpty else { throw ValidationError("The text has no lines of two words.") }
        let file = fopen(path, "a")
        guard let file else { throw ValidationError("\(path) cannot be opened.") }
        defer { fclose(file) }
        var random = Random(state: 2)
        let letters = Array("eeeetttaaaoooiinnsshhrrdlucmfwypvbgkjqxz".utf8)
        var written = source.count
        while written < bytes {
            let (left, right) = (lines.randomElement(using: &random)!, lines.randomElement(using: &random)!)
            var words = left[...(left.count / 2)].map { Array($0) }
            if random.next() % 8 == 0 {
                let length = Int.random(in: 4...9, using: &random)
                words.append((0..<length).map { _ in letters.randomElement(using: &random)! })
            }
            words += right[(right.count / 2)...].map { Array($0) }
            let line = words.joined(separator: [UInt8(ascii: " ")]) + [UInt8(ascii: "\n")]
            let count = line.count
            let bytes = Array(line)
            guard fwrite(bytes, 1, count, file) == count else { throw ValidationError("\(path) cannot be written.") }
            written += count
        }
    }

    /// Returns pieces of 3 to 12 words of a text.
    static func answer(_ source: Data, words count: Int, _ random: inout Random) -> String {
        var words: [String] = []
        while words.count < count {
            let start = source.startIndex + Int.random(in: 0..<max(1, source.count - 200), using: &random)
            let piece = String(decoding: source[start..<min(source.endIndex, start + 200)], as: UTF8.self)
            let found = piece.split(whereSeparator: \.isWhitespace).dropFirst().dropLast()
            words += found.prefix(Int.random(in: 3...12, using: &random)).map { String($0) }
            if found.isEmpty { words.append("word") }
        }
        return words.prefix(count).joined(separator: " ")
    }
}
