import Daemon
import Inference
import Testing

@Suite struct UnexpectedLinesTests {
    /// A line of words of five bytes that take `bits` each.
    private func add(_ bits: [Double], to lines: inout UnexpectedLines, isFiltered: Bool = false) {
        let text = String(bits.indices.flatMap { _ in " word" })
        let tokens = bits.enumerated().map { TokenSurprise(offset: 5 * $0, bytes: 5, bits: $1) }
        lines.add(text, LineSurprise(tokens: tokens, isFiltered: isFiltered))
    }

    @Test func linesAreRankedByTheirWorstTokensAndAsAWhole() {
        var lines = UnexpectedLines()
        for _ in 0..<100 { add(Array(repeating: 5, count: 12), to: &lines) }
        // A wrong encoding in a line that is otherwise as expected.
        add([1, 1, 1, 15, 15, 15, 15, 1, 1, 1, 1, 1], to: &lines)
        // Unexpected as a whole, but nowhere in particular.
        add(Array(repeating: 12, count: 40), to: &lines)
        // Short, with a high mean: a single rare name.
        add([13], to: &lines)
        let found = lines.result(3)
        #expect(found.lines.map(\.index) == [100, 101, 102])
        #expect(found.lines[0].bits == 60 && found.lines[0].place == 15..<35)
        #expect(abs(found.lines[1].bitsPerByte - 2.4) < 1e-9)
        let bits = 100 * 60.0 + 68 + 480 + 13
        #expect(abs((found.bitsPerByte ?? 0) - bits / (60 * 101 + 205)) < 1e-9)
    }

    @Test func shortLinesDoNotDominate() {
        var lines = UnexpectedLines()
        for _ in 0..<50 { add([8, 8], to: &lines) }
        for _ in 0..<50 { add(Array(repeating: 2, count: 12), to: &lines) }
        add(Array(repeating: 6, count: 12), to: &lines)
        // By bits per byte alone, it would be behind the 50 lines of two words.
        #expect(lines.result(1).lines.map(\.index) == [100])
    }

    @Test func placesAreInCharacters() {
        var lines = UnexpectedLines()
        // The bytes of the first and of the third character are those of two tokens each.
        let spans = [(0, 1, 0.0), (1, 2, 0.0), (3, 1, 0.0), (4, 2, 9), (6, 1, 9), (7, 1, 9), (8, 1, 9)]
        let tokens = spans.map { TokenSurprise(offset: $0.0, bytes: $0.1, bits: $0.2) }
        lines.add("理a理bc", LineSurprise(tokens: tokens))
        #expect(lines.result(1).lines[0].place == 2..<5)
    }

    @Test func filteredLinesHaveNoPlace() {
        var lines = UnexpectedLines()
        add([1, 2, 3], to: &lines, isFiltered: true)
        lines.add("", LineSurprise())
        let found = lines.result(10)
        #expect(found.lines.map(\.place) == [nil, nil])
        #expect(UnexpectedLines().result(10).lines.isEmpty && UnexpectedLines().result(10).bitsPerByte == nil)
    }
}
