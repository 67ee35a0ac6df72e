import Foundation
import Testing
import Tokenizers

/// Encodes and decodes random strings. The seed is printed on failure.
@Suite struct RoundTripTests {
    /// SplitMix64, so that a printed seed reproduces the strings.
    private struct Generator: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var word = state
            word = (word ^ word >> 30) &* 0xBF58_476D_1CE4_E5B9
            word = (word ^ word >> 27) &* 0x94D0_49BB_1331_11EB
            return word ^ word >> 31
        }
    }

    private func randomText(_ generator: inout Generator) -> String {
        let pieces = [
            "'s", "'ll", " ", "  ", "\r\n", "\t", "<mask>", " <s>", "\u{A0}", "\u{3000}", "the", "123", "...", "\0",
        ]
        var text = ""
        for _ in 0..<Int.random(in: 0...40, using: &generator) {
            if Bool.random(using: &generator) {
                text += pieces.randomElement(using: &generator)!
                continue
            }
            let limit: UInt32 = [0x80, 0x800, 0x3000, 0x11_0000].randomElement(using: &generator)!
            for _ in 0..<Int.random(in: 1...200, using: &generator) {
                if let scalar = Unicode.Scalar(UInt32.random(in: 0..<limit, using: &generator)) {
                    text.unicodeScalars.append(scalar)
                }
            }
        }
        return text
    }

    @Test func decodingInvertsEncoding() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var generator = Generator(state: seed)
        try Fixtures.withBareTokenizer("nasty-700") { tokenizer in
            for round in 0..<400 {
                let text = randomText(&generator)
                let ids = tokenizer.encode(text, specialTokens: .recognized)
                try #require(sameBytes(tokenizer.decode(ids), text), "seed \(seed), round \(round)")
                let bytes = Array(text.utf8).withUnsafeBytes { tokenizer.encode(utf8: $0, specialTokens: .recognized) }
                try #require(bytes == ids, "seed \(seed), round \(round)")
            }
        }
    }

    /// Random bytes are encoded like the text in which every invalid subpart is replaced.
    @Test func replacesInvalidBytes() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var generator = Generator(state: seed)
        let tokenizer = try BPETrainer(vocabularySize: 261, minFrequency: 1).train()
        let starts: [UInt8] = [
            0x20, 0x41, 0x80, 0xBF, 0xC0, 0xC2, 0xE0, 0xE2, 0xED, 0xEF, 0xF0, 0xF4, 0xF5, 0xFF, 0x9F, 0xA0,
        ]
        for round in 0..<2000 {
            let bytes = (0..<Int.random(in: 0...40, using: &generator)).map { _ in
                starts.randomElement(using: &generator)!
            }
            let ids = bytes.withUnsafeBytes { tokenizer.encode(utf8: $0, specialTokens: .recognized) }
            let text = String(decoding: bytes, as: UTF8.self)
            try #require(sameBytes(tokenizer.decode(ids), text), "seed \(seed), round \(round): \(bytes)")
            try #require(
                sameBytes(tokenizer.decode(bytes.map { tokenizer.idOfByte($0) }), text), "seed \(seed), round \(round)")
        }
        // Number of replacement characters in Python's bytes([…]).decode("utf-8", "replace").
        for (bytes, count) in [
            ([0xE2, 0x82], 1), ([0xE2, 0x28], 1), ([0xED, 0xA0, 0x80], 3), ([0xF0, 0x9F, 0x99, 0xF0], 2),
            ([0xC0, 0x80], 2),
        ] {
            let bytes = bytes.map { UInt8($0) }
            let ids = bytes.withUnsafeBytes { tokenizer.encode(utf8: $0, specialTokens: .recognized) }
            #expect(tokenizer.decode(ids).unicodeScalars.filter { $0 == "\u{FFFD}" }.count == count, "\(bytes)")
        }
    }
}

extension ByteLevelBPETokenizer {
    /// Returns the token of one byte in a tokenizer without merges.
    fileprivate func idOfByte(_ byte: UInt8) -> Int32 {
        (0..<Int32(vocabularySize)).first { !isSpecial($0) && decodeBytes([$0]) == [byte] }!
    }
}
