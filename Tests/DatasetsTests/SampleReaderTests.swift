import Datasets
import Jobs
import Testing
import TextFilters

private func samples(of text: some Sequence<UInt8>, _ unit: SampleUnit, filters: [TextFilter] = []) throws -> [Sample] {
    let folder = try TemporaryFolder()
    let path = try folder.write("corpus.txt", text)
    var reader = try SampleReader(path: path, unit: unit, filters: filters)
    var samples: [Sample] = []
    while let sample = try reader.next() { samples.append(sample) }
    return samples
}

/// Results of CPython 3.11 with the file opened in text mode:
/// `[p.strip("\n") for p in re.split(r"\n[ \t]*\n", x) if p.strip()]` and `[l for l in x.split("\n") if l.strip()]`.
private let cases: [(text: String, paragraphs: [String], lines: [String])] = [
    ("a\n\nb", ["a", "b"], ["a", "b"]),
    ("a\n\n\nb", ["a", "b"], ["a", "b"]),
    ("a\n\n\n\nb", ["a", "b"], ["a", "b"]),
    ("\n\na", ["a"], ["a"]),
    ("a\n \n\t\nb", ["a", "\t\nb"], ["a", "b"]),
    ("  a\n  b \n\n c", ["  a\n  b ", " c"], ["  a", "  b ", " c"]),
    ("a\n", ["a"], ["a"]),
    ("a\n  ", ["a\n  "], ["a"]),
    ("a\n\n", ["a"], ["a"]),
    ("\n", [], []),
    ("", [], []),
    ("a\nb\n\u{b}\nc", ["a\nb\n\u{b}\nc"], ["a", "b", "c"]),
    ("a\n\u{a0}\nb", ["a\n\u{a0}\nb"], ["a", "b"]),
    ("a\r\n\r\nb\rc", ["a", "b\nc"], ["a", "b", "c"]),
    ("a\r\r\n\nb", ["a", "b"], ["a", "b"]),
]

@Test(arguments: cases)
func splitsSamplesLikePython(text: String, paragraphs: [String], lines: [String]) throws {
    #expect(try samples(of: text.utf8, .paragraphs).map(\.text) == paragraphs)
    #expect(try samples(of: text.utf8, .lines).map(\.text) == lines)
}

@Test func linesMaySpanReadChunks() throws {
    // Lines longer than a read chunk, with a two-byte line end across a chunk boundary.
    let long = String(repeating: "x", count: (1 << 20) - 1)
    let text = long + "\r\n" + long + "é\nend"
    let found = try samples(of: text.utf8, .lines)
    #expect(found.filter { !$0.isContinuation }.count == 3 && found.last?.text == "end")
    #expect(found.map(\.text).joined() == long + long + "éend")
}

@Test func replacesInvalidUTF8() throws {
    let bytes: [UInt8] = [0x61, 0xff, 0x62, 0x0a, 0xe2, 0x82, 0x0a]
    #expect(try samples(of: bytes, .lines).map(\.text) == ["a\u{fffd}b", "\u{fffd}"])
}

@Test func filtersDoNotChangeHash() throws {
    let plain = try samples(of: "Of the DIFFERENCE\n".utf8, .lines)
    let lowered = try samples(of: "Of the DIFFERENCE\n".utf8, .lines, filters: [.lowercase])
    #expect(lowered.map(\.text) == ["of the difference"])
    #expect(lowered.map(\.hash) == plain.map(\.hash))
}

@Test func missingCorpusErrorNamesPath() {
    let error = #expect(throws: DatasetError.self) {
        try SampleReader(path: "/nowhere/corpus.txt", unit: .lines, filters: [])
    }
    #expect(error?.description.contains("/nowhere/corpus.txt") == true)
}

@Test func hashIsStable() {
    // Computed with Python: FNV-1a's published 64-bit values followed by the finalization.
    #expect(Sample.hash(of: "") == 0xf52a_15e9_a9b5_e89b)
    #expect(Sample.hash(of: "foobar") == 0x404d_a9e3_b740_78c2)
}

@Test func heldOutShareIsAccurate() {
    let count = 20_000
    let heldOut = (0..<count).filter { Sample(text: "", hash: Sample.hash(of: "line \($0)")).isHeldOut(share: 0.1) }
    // Standard deviation of the binomial: √(20,000 · 0.1 · 0.9) = 42.4.
    let fiveDeviations = 212
    #expect(abs(heldOut.count - 2000) < fiveDeviations, "\(heldOut.count)")
}

/// Without pieces, one long line would be trained on or held out as a whole.
@Test(arguments: [SampleUnit.lines, .records, .paragraphs, .packed])
func dividesLongUnits(unit: SampleUnit) throws {
    let sentences = (0..<500).map { "Sentence number \($0) of the long text is this one here, “quoted.”" }
    let long = sentences.joined(separator: " ")
    let end = unit.endsAtBlankLine ? "\n\n" : "\n"
    let found = try samples(of: ("before" + end + long + end + "after").utf8, unit)
    #expect(found.first?.text == "before" && found.last?.text == "after")
    let pieces = found.dropFirst().dropLast()
    #expect(pieces.map(\.text).joined() == long, "text is lost")
    #expect(pieces.allSatisfy { $0.text.utf8.count <= 1 << 10 } && pieces.count > 40)
    #expect(pieces.dropFirst().allSatisfy { $0.text.hasPrefix(" Sentence number") }, "a sentence is divided")
    #expect(found.map(\.isContinuation) == [false, false] + pieces.dropFirst().map { _ in true } + [false])
    // Each piece is held out or not by its own text, wherever it is in the unit.
    #expect(Set(pieces.map(\.hash)).count == pieces.count)
    #expect(
        pieces.dropFirst().first.map { Sample.hash(of: String($0.text.dropFirst())) } == pieces.dropFirst().first?.hash)
}

@Test func dividesLongParagraphsAtLineEnds() throws {
    let lines = (0..<200).map { "line \($0). " + String(repeating: "x", count: 90) }
    let found = try samples(of: (lines.joined(separator: "\n") + "\n\nnext").utf8, .paragraphs)
    #expect(found.last?.text == "next" && found.count > 20)
    #expect(found.dropLast().map(\.text).joined() == lines.joined(separator: "\n"))
    #expect(found.dropFirst().dropLast().allSatisfy { $0.text.hasPrefix("\nline") })
}

@Test func dividesBetweenWordsOrCharactersWithoutSentences() throws {
    let words = String(repeating: "word ", count: 2000)
    let found = try samples(of: words.utf8, .lines)
    #expect(found.map(\.text).joined() == words && found.count > 10)
    #expect(found.dropFirst().allSatisfy { $0.text.hasPrefix(" word") })
    let long = String(repeating: "数", count: 5000)
    let pieces = try samples(of: (long + "\n").utf8, .lines)
    #expect(pieces.map(\.text).joined() == long && pieces.count > 20)
    // Invalid UTF-8 without character boundaries is divided as well.
    #expect(try samples(of: [UInt8](repeating: 0x80, count: 100_000), .lines).count > 90)
}

@Test func dividesJapaneseAfterSentences() throws {
    let long = (0..<300).map { "これは文章の\($0)番目の文です。" }.joined()
    let pieces = try samples(of: long.utf8, .lines)
    #expect(pieces.map(\.text).joined() == long && pieces.count > 15)
    #expect(pieces.allSatisfy { $0.text.hasSuffix("。") })
}

@Test func doesNotDivideShortUnits() throws {
    let whole = String(repeating: "x. y ", count: 409)
    for unit in [SampleUnit.lines, .paragraphs] {
        #expect(try samples(of: (whole + "\n\nb").utf8, unit).map(\.text) == [whole, "b"])
        #expect(try samples(of: whole.utf8, unit).first?.hash == Sample.hash(of: whole))
    }
}

@Test func linesEndAtUnicodeLineEnds() throws {
    let text = "één\u{2028}twee\u{2029}ü\u{85}\u{2028}ẅ\u{2027}x\r\nend"
    #expect(try samples(of: text.utf8, .lines).map(\.text) == ["één", "twee", "ü", "ẅ\u{2027}x", "end"])
    #expect(
        try samples(of: text.utf8, .records).map(\.text) == ["één\u{2028}twee\u{2029}ü\u{85}\u{2028}ẅ\u{2027}x", "end"])
    // A line end across a chunk boundary.
    for shift in 0..<4 {
        let line = String(repeating: "y", count: 1023)
        let lines = Array(repeating: line, count: 1030)
        let shifted = String(repeating: "z", count: 1 + shift) + "\u{2028}" + lines.joined(separator: "\u{2028}")
        #expect(try samples(of: shifted.utf8, .lines).dropFirst().map(\.text) == lines)
    }
}

@Test func countsWhatFiltersDrop() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("corpus.txt", "a b\nA B\n\nc\nd e !\n?! ?\n".utf8)
    let filters: [TextFilter] = [.lowercase, .keep(try KeptCharacters("a-z ")), .minWords(1), .dedupeLines]
    var reader = try SampleReader(path: path, unit: .lines, filters: filters)
    var texts: [String] = []
    while let sample = try reader.next() { texts.append(sample.text) }
    #expect(texts == ["a b", "c", "d e "])
    #expect(reader.counts.samples == 5 && reader.counts.bytes == 16 && !reader.counts.isUniform)
    #expect(reader.counts.filteredSamples == 1 && reader.counts.filteredBytes == 5)
    #expect(reader.counts.duplicateSamples == 1 && reader.counts.duplicateBytes == 3)
}
