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
    #expect(try samples(of: text.utf8, .lines).map(\.text) == [long, long + "é", "end"])
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

/// The memory for a line, paragraph or record of any length must be bounded by the limit.
@Test(arguments: [SampleUnit.lines, .records, .paragraphs, .packed])
func splitsLongUnitsAtWhiteSpace(unit: SampleUnit) throws {
    let folder = try TemporaryFolder()
    let words = "Two things fill the mind "
    let long = String(repeating: words, count: 3 * SampleReader.longest / words.utf8.count)
    let end = unit.endsAtBlankLine ? "\n\n" : "\n"
    let path = try folder.write("corpus.txt", ("before" + end + long + end + "after").utf8)
    var reader = try SampleReader(path: path, unit: unit, filters: [])
    var samples: [Sample] = []
    while let sample = try reader.next() { samples.append(sample) }
    #expect(reader.cutUnits == 1)
    #expect(samples.first?.text == "before" && samples.last?.text == "after")
    let pieces = samples.dropFirst().dropLast()
    #expect(pieces.count == 3)
    #expect(pieces.map(\.text).joined() == long, "text is lost or a word is split")
    #expect(pieces.allSatisfy { $0.text.utf8.count <= SampleReader.longest })
    #expect(pieces.dropFirst().allSatisfy { $0.text.hasPrefix(" ") && !$0.text.hasPrefix("  ") })
    // The hash of the first piece decides for all of them whether they are held out.
    #expect(Set(pieces.map(\.hash)) == [Sample.hash(of: pieces.first!.text)])
    #expect(Set(samples.map(\.hash)).count == 3)
}

@Test func splitsLongParagraphsBetweenLines() throws {
    let folder = try TemporaryFolder()
    let line = String(repeating: "x", count: 99) + "\n"
    let path = try folder.write(
        "corpus.txt", (String(repeating: line, count: SampleReader.longest / 50) + "\nnext").utf8)
    var reader = try SampleReader(path: path, unit: .paragraphs, filters: [])
    var samples: [Sample] = []
    while let sample = try reader.next() { samples.append(sample) }
    #expect(samples.count > 2 && samples.allSatisfy { $0.text.utf8.count <= SampleReader.longest })
    #expect(samples.last?.text == "next" && reader.cutUnits == 1)
    let lines = samples.dropLast().flatMap { $0.text.split(separator: "\n") }
    #expect(lines.count == SampleReader.longest / 50 && lines.allSatisfy { $0.count == 99 })
}

@Test func splitsBetweenCharactersWithoutWhiteSpace() throws {
    let long = String(repeating: "数", count: SampleReader.longest / 2)
    let pieces = try samples(of: (long + "\n").utf8, .lines)
    #expect(pieces.map(\.text).joined() == long && pieces.count == 2)
    #expect(pieces[0].text.utf8.count == SampleReader.longest / 3 * 3)
    // Invalid UTF-8 without character boundaries is split as well.
    let noise = [UInt8](repeating: 0x80, count: 2 * SampleReader.longest)
    #expect(try samples(of: noise, .lines).count >= 2)
}

@Test func doesNotSplitUnitAtLimit() throws {
    let whole = String(repeating: "x y ", count: SampleReader.longest / 4)
    for unit in [SampleUnit.lines, .paragraphs] {
        #expect(try samples(of: (whole + "\r\nb").utf8, unit).first?.text.hasPrefix(whole) == (unit == .lines))
        #expect(try samples(of: whole.utf8, unit).map(\.text) == [whole])
    }
}
