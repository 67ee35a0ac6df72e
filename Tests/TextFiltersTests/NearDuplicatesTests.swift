import Foundation
import Testing
import TextFilters

@Suite struct NearDuplicatesTests {
    private func sketch(_ pieces: String...) -> TextSketch {
        var sketch = TextSketch()
        for piece in pieces { sketch.append(Array(piece.utf8)) }
        sketch.finish()
        return sketch
    }

    private func equalValues(_ one: TextSketch, _ other: TextSketch) -> Double {
        Double(zip(one.values, other.values).count { $0 == $1 }) / Double(TextSketch.values)
    }

    private static let sentence = "The old bridge leads over a quiet river to the market, where the shops are open."

    // MARK: Sketches

    @Test func caseAndWhiteSpaceAreNoDifference() {
        let expected = sketch(Self.sentence)
        #expect(sketch("  " + Self.sentence.uppercased() + "\n").values == expected.values)
        #expect(sketch(Self.sentence.replacing(" ", with: "\r\n\t ")).values == expected.values)
        #expect(sketch(Self.sentence.replacing(" ", with: "")).values != expected.values)
        #expect(sketch(Self.sentence + "!").values != expected.values)
    }

    @Test func piecesAreOneText() {
        for place in 0...Self.sentence.count {
            let (begin, end) = (Self.sentence.prefix(place), Self.sentence.dropFirst(place))
            #expect(sketch(String(begin), String(end)).values == sketch(Self.sentence).values)
        }
    }

    @Test(arguments: ["a", "ab", "abc", "abcd", "abcde", "日"])
    func shortTextsHaveAllValues(text: String) {
        #expect(sketch(text).values.allSatisfy { $0 < .max })
        #expect(equalValues(sketch(text), sketch(text + "x")) < 1)
    }

    @Test("The share of equal values is the share of common sequences of five bytes")
    func estimatesTheShare() {
        let words = (0..<400).map { "word\($0 &* 7919 % 9973)" }
        func sequences(_ text: String) -> Set<[UInt8]> {
            let bytes = Array(text.utf8)
            return Set((0...bytes.count - 5).map { Array(bytes[$0..<$0 + 5]) })
        }
        for (one, other) in [(0..<300, 100..<400), (0..<400, 0..<350), (0..<60, 2..<60), (0..<200, 200..<400)] {
            let (a, b) = (words[one].joined(separator: " "), words[other].joined(separator: " "))
            let common = sequences(a).intersection(sequences(b)).count
            let share = Double(common) / Double(sequences(a).union(sequences(b)).count)
            let error = (share * (1 - share) / Double(TextSketch.values)).squareRoot()
            #expect(abs(equalValues(sketch(a), sketch(b)) - share) <= 4 * error)
        }
    }

    @Test func repetitionsDoNotCount() {
        let text = String(repeating: "ab ", count: 20_000)
        #expect(sketch(text).values == sketch("ab ab ab ab").values)
        let end = "The end is another text."
        #expect(sketch(text + end).values == sketch("ab ab ab ab " + end).values)
    }

    // MARK: Duplicates

    /// The probability that a text is dropped that has a share in common with one other: so many of the values are equal,
    /// or have the same 8 bits by accident, and all of a band.
    private func probability(_ share: Double, _ least: Double) -> (equal: Double, band: Double) {
        let parameters = NearDuplicates.Parameters(share: least)
        let equal = share + (1 - share) / 256
        let count = Double(TextSketch.values)
        let sum = (parameters.leastEqual...TextSketch.values).reduce(0.0) { sum, k in
            let ways = lgamma(count + 1) - lgamma(Double(k) + 1) - lgamma(count - Double(k) + 1)
            return sum + exp(ways + Double(k) * log(equal) + (count - Double(k)) * log(1 - equal))
        }
        return (sum, 1 - pow(1 - pow(share, Double(parameters.rows)), Double(parameters.bands)))
    }

    /// Two sets of 1,000 elements in all, of which a share is in both.
    private func pair(_ share: Double, _ number: Int) -> (TextSketch, TextSketch) {
        let own = Int((1_000 * (1 - share) / 2).rounded())
        var (one, other) = (TextSketch(), TextSketch())
        for index in 0..<1_000 {
            let element = UInt64(number) << 32 | UInt64(index)
            if index < 1_000 - own { one.insert(element) }
            if index >= own { other.insert(element) }
        }
        one.finish()
        other.finish()
        return (one, other)
    }

    /// The numbers that `docs/inbox.md` states.
    @Test(arguments: [(0.6, 0.0), (0.7, 0.005), (0.75, 0.094), (0.8, 0.509), (0.85, 0.939), (0.9, 0.9997)])
    func errorIsAsCalculated(share: Double, stated: Double) {
        let (equal, band) = probability(share, 0.8)
        #expect(abs(equal - stated) < 0.0006)
        #expect(share < 0.8 || band > 0.998)
        let pairs = 300
        let dropped = (1...pairs).count { number in
            let (one, other) = pair(share, number)
            let seen = NearDuplicates(share: 0.8)
            return seen.insert(one) && !seen.insert(other)
        }
        let deviation = (equal * (1 - equal) / Double(pairs)).squareRoot()
        #expect(abs(Double(dropped) / Double(pairs) - equal) <= 4 * deviation + 0.005, "\(dropped) of \(pairs)")
    }

    @Test(arguments: [0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95])
    func everyShareHasBandsThatFindIt(share: Double) {
        let parameters = NearDuplicates.Parameters(share: share)
        #expect(parameters.rows * parameters.bands <= TextSketch.values)
        #expect(probability(share, share).band >= 0.99)
        #expect(probability(share - 0.1, share).equal < 0.016)
    }

    @Test func onlyTheFirstTextsAreKept() {
        let seen = NearDuplicates(share: 0.8, mostTexts: 2)
        for text in ["a first text", "the second one", "third, not kept"] { #expect(seen.insert(sketch(text))) }
        #expect(!seen.insert(sketch("A FIRST TEXT")) && !seen.insert(sketch("the second one")))
        #expect(seen.insert(sketch("third, not kept")))
    }

    @Test func manyTextsAreFoundAgain() {
        let seen = NearDuplicates(share: 0.9)
        let texts = (0..<2_000).map { "number \($0 &* 7919) is \($0) times as large as the number before it" }
        let kept = texts.filter { seen.insert(sketch($0)) }
        #expect(kept.count > 1_000)
        #expect(kept.allSatisfy { !seen.insert(sketch($0)) })
    }

    @Test func differentSharesAreSeparate() {
        let seen = SeenTexts()
        #expect(seen.insertDocument(sketch(Self.sentence), share: 0.8))
        #expect(seen.insertDocument(sketch(Self.sentence), share: 0.9))
        #expect(!seen.insertDocument(sketch(Self.sentence), share: 0.8))
    }
}
