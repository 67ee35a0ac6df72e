import Datasets
import FoundationEssentials
import Jobs
import Testing
import TextFilters
import Tokenizers

private func heldOut(_ folder: TemporaryFolder, share: Double = 0.5, mostBytes: Int) throws -> HeldOutText {
    try HeldOutText(
        corpora: ["a", "b"].map { try JobCorpus(file: "\(folder.path)/\($0)", name: $0) },
        objective: .mlm, unit: .lines, filters: [.lowercase],
        share: share, mostBytes: mostBytes, progress: {})
}

@Test func selectsSamplesWithLowestHashes() throws {
    let folder = try TemporaryFolder()
    let lines = (0..<4000).map { "Line number \($0) of a text" }
    try Data(lines[..<1500].joined(separator: "\n").utf8).write(to: URL(filePath: folder.path + "/a"))
    // The first half of b is also in a.
    try Data(lines[750...].joined(separator: "\n").utf8).write(to: URL(filePath: folder.path + "/b"))
    let expected = lines.map { Sample(text: $0.lowercased(), hash: Sample.hash(of: $0)) }
        .filter { $0.isHeldOut(share: 0.5) }.sorted { $0.hash < $1.hash }
    let all = try heldOut(folder, mostBytes: 1 << 30)
    #expect(all.samples == expected)
    #expect(all.bytes == expected.reduce(0) { $0 + $1.text.utf8.count })
    for mostBytes in [100, 1_000, 20_000] {
        let some = try heldOut(folder, mostBytes: mostBytes)
        #expect(some.bytes <= mostBytes && some.bytes > mostBytes - 40)
        #expect(some.samples == Array(expected[..<some.samples.count]))
    }
    #expect(try heldOut(folder, mostBytes: 1).samples.count == 1)
}

@Test func onlyRowsOfMaskedUnitsAreTruncated() throws {
    let folder = try TemporaryFolder()
    let text = (0..<2000).map { "Sentence number \($0) of a long line." }.joined(separator: " ")
    let corpus = try JobCorpus(file: try folder.write("a", text.utf8), name: "a")
    func bytes(_ objective: Objective, _ unit: SampleUnit, truncates: Bool) throws -> Int {
        try HeldOutText(
            corpora: [corpus], objective: objective, unit: unit, filters: [], share: 0.5, truncates: truncates,
            mostBytes: 1 << 30, progress: {}
        ).bytes
    }
    let all = try bytes(.mlm, .lines, truncates: false)
    #expect(all > 20_000)
    #expect(try bytes(.mlm, .lines, truncates: true) < 3000)
    #expect(try bytes(.clm, .lines, truncates: true) == all)
    #expect(try bytes(.mlm, .packed, truncates: true) == bytes(.mlm, .packed, truncates: false))
}

@Test func passesBeforeTheFirstSampleReportProgress() throws {
    let folder = try TemporaryFolder()
    let text = String(repeating: "A line that ends with a divi-\nded word, which is divided.\n\n", count: 5000)
    let corpus = try JobCorpus(file: try folder.write("a", text.utf8), name: "a")
    var count = 0
    let layout = try CorpusLayout(corpus: corpus, unit: .paragraphs, filters: [.dehyphenate]) { count += 1 }
    #expect(count > 20)
    count = 0
    _ = try SampleReader(corpus: corpus, layout: layout, filters: [.dedupeDocuments], seen: SeenTexts()) { count += 1 }
    #expect(count >= 4)
    struct Stopped: Error {}
    #expect(throws: Stopped.self) {
        try HeldOutText(
            corpora: [corpus], objective: .mlm, unit: .paragraphs, filters: [.dehyphenate, .dedupeDocuments],
            share: 0.5, mostBytes: 1 << 20
        ) { throw Stopped() }
    }
}
