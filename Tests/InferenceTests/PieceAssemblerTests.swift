import Inference
import Random
import Testing

@Suite struct PieceAssemblerTests {
    func pieces(_ tokens: [[UInt8]], stops: [String] = []) -> (pieces: [String], hasStopped: Bool) {
        var assembler = PieceAssembler(stops: stops)
        var pieces = tokens.map { assembler.append($0) }
        pieces.append(assembler.finish())
        return (pieces, assembler.hasStopped)
    }

    func pieces(_ tokens: [String], stops: [String] = []) -> (pieces: [String], hasStopped: Bool) {
        pieces(tokens.map { Array($0.utf8) }, stops: stops)
    }

    @Test func holdsBackIncompleteCharacters() {
        let smile = Array("🙂".utf8)
        #expect(pieces([[smile[0]], Array(smile[1...2]), [smile[3], 0x41]]).pieces == ["", "", "🙂A", ""])
    }

    @Test func replacesIncompleteCharacterAtEnd() {
        #expect(pieces([[0x41, 0xF0, 0x9F]]).pieces == ["A", "\u{FFFD}"])
        #expect(pieces([[0xE2], [0x41]]).pieces == ["", "\u{FFFD}A", ""])
    }

    @Test func cutsTextBeforeStopStringAcrossTokens() {
        let (pieces, hasStopped) = pieces(["one ", "two E", "N", "D three"], stops: ["END"])
        #expect(pieces == ["one ", "two ", "", "", ""])
        #expect(hasStopped)
    }

    @Test func releasesPartialStopStringMatches() {
        let (pieces, hasStopped) = pieces(["a E", "N", "x", " E"], stops: ["END"])
        #expect(pieces == ["a ", "", "ENx", " ", "E"])
        #expect(!hasStopped)
    }

    @Test func usesStopStringThatEndsFirst() {
        #expect(pieces(["xabcdy"], stops: ["abcd", "bc"]).pieces.joined() == "xa")
        #expect(pieces(["xabcy"], stops: ["c", "abc"]).pieces.joined() == "x")
    }

    @Test func handlesSelfOverlappingStopStrings() {
        #expect(pieces(["a", "a", "b", "a", "a", "c"], stops: ["aac"]).pieces.joined() == "aab")
    }

    @Test func findsMultibyteStopStringInPieces() {
        let bytes = Array("früh — spät".utf8).map { [$0] }
        #expect(pieces(bytes, stops: ["— s"]).pieces.joined() == "früh ")
    }

    /// Random bytes, split at random positions, are compared with the whole text decoded at once.
    @Test func joinedPiecesEqualWholeText() {
        let alphabet = Array("ab🙂é—".utf8) + [0x80, 0xFF, 0xE2, 0xF0, 0xED, 0xA0]
        for seed in 0..<2_000 as Range<UInt64> {
            let random = Philox(seed: seed, purpose: .sampling)
            func below(_ bound: Int, _ index: UInt64) -> Int {
                Int(Philox.below(UInt32(bound), random.block(step: 0, index: index)[0]))
            }
            let bytes = (0..<40 as Range<UInt64>).map { alphabet[below(alphabet.count, $0)] }
            var tokens: [[UInt8]] = []
            var next = 0
            while next < bytes.count {
                let count = min(1 + below(4, 1_000 + UInt64(next)), bytes.count - next)
                tokens.append(Array(bytes[next..<next + count]))
                next += count
            }
            let whole = String(decoding: bytes, as: UTF8.self)
            #expect(pieces(tokens).pieces.joined() == whole, "seed \(seed)")

            let stops = ["ab", "b🙂", "\u{FFFD}a"]
            let scalars = Array(whole.unicodeScalars)
            let cut = (0...scalars.count).lazy.compactMap { end in
                stops.map { Array($0.unicodeScalars) }.filter { scalars[..<end].suffix($0.count).elementsEqual($0) }
                    .map { end - $0.count }.min()
            }.first
            var expected = String.UnicodeScalarView()
            expected.append(contentsOf: scalars.prefix(cut ?? scalars.count))
            let (stopped, hasStopped) = pieces(tokens, stops: stops)
            #expect(stopped.joined() == String(expected), "seed \(seed)")
            #expect(hasStopped == (cut != nil), "seed \(seed)")
        }
    }
}
