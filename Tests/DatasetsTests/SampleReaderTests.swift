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

/// What CPython 3.11 gives, the file opened as text:
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
func samplesAreCutAsPythonDoes(text: String, paragraphs: [String], lines: [String]) throws {
    #expect(try samples(of: text.utf8, .paragraphs).map(\.text) == paragraphs)
    #expect(try samples(of: text.utf8, .lines).map(\.text) == lines)
}

@Test func linesAcrossThePiecesOfAFileStayWhole() throws {
    // Longer than what is read at once, with a line end of two bytes where two pieces meet.
    let long = String(repeating: "x", count: (1 << 20) - 1)
    let text = long + "\r\n" + long + "é\nend"
    #expect(try samples(of: text.utf8, .lines).map(\.text) == [long, long + "é", "end"])
}

@Test func bytesThatAreNotUTF8AreReplaced() throws {
    let bytes: [UInt8] = [0x61, 0xff, 0x62, 0x0a, 0xe2, 0x82, 0x0a]
    #expect(try samples(of: bytes, .lines).map(\.text) == ["a\u{fffd}b", "\u{fffd}"])
}

@Test func filtersChangeTheTextButNotWhetherItIsHeldOut() throws {
    let plain = try samples(of: "Of the DIFFERENCE\n".utf8, .lines)
    let lowered = try samples(of: "Of the DIFFERENCE\n".utf8, .lines, filters: [.lowercase])
    #expect(lowered.map(\.text) == ["of the difference"])
    #expect(lowered.map(\.hash) == plain.map(\.hash))
}

@Test func aMissingCorpusIsNamed() {
    let error = #expect(throws: DatasetError.self) {
        try SampleReader(path: "/nowhere/corpus.txt", unit: .lines, filters: [])
    }
    #expect(error?.description.contains("/nowhere/corpus.txt") == true)
}

@Test func theHashNeverChanges() {
    // FNV-1a's published 64-bit values before the finishing rounds; these are after them, computed with Python.
    #expect(Sample.hash(of: "") == 0xf52a_15e9_a9b5_e89b)
    #expect(Sample.hash(of: "foobar") == 0x404d_a9e3_b740_78c2)
}

@Test func theHeldOutShareIsWhatItSays() {
    let count = 20_000
    let heldOut = (0..<count).filter { Sample(text: "", hash: Sample.hash(of: "line \($0)")).isHeldOut(share: 0.1) }
    // Of a binomial: √(20,000 · 0.1 · 0.9) is 42.4.
    let fiveDeviations = 212
    #expect(abs(heldOut.count - 2000) < fiveDeviations, "\(heldOut.count)")
}
