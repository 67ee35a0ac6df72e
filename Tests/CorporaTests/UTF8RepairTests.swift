import Corpora
import Testing

struct UTF8RepairTests {
    /// Expected output: `bytes.fromhex(…).decode("utf-8", errors="replace").encode().hex(" ")`, Python 3.11.
    @Test(arguments: [
        ("61 80 62", "61 ef bf bd 62"),
        ("c3 28", "ef bf bd 28"),
        ("e2 82", "ef bf bd"),
        ("e2 82 41", "ef bf bd 41"),
        ("f0 9f 98", "ef bf bd"),
        ("f0 9f 98 80", "f0 9f 98 80"),
        ("f0 9f 41 42", "ef bf bd 41 42"),
        ("c0 af", "ef bf bd ef bf bd"),
        ("e0 80 af", "ef bf bd ef bf bd ef bf bd"),
        ("ed a0 80", "ef bf bd ef bf bd ef bf bd"),
        ("f4 90 80 80", "ef bf bd ef bf bd ef bf bd ef bf bd"),
        ("f5 80", "ef bf bd ef bf bd"),
        ("ff fe", "ef bf bd ef bf bd"),
        ("e2 82 ac e2 28 a1", "e2 82 ac ef bf bd 28 ef bf bd"),
        ("f0 28 8c 28", "ef bf bd 28 ef bf bd 28"),
        ("fe 61", "ef bf bd 61"),
        ("ef bb bf 61", "ef bb bf 61"),
        ("f1 80 80 e1 80 c2", "ef bf bd ef bf bd ef bf bd"),
    ])
    func repairsLikePython(bytes: String, repaired: String) {
        let bytes = bytes.split(separator: " ").map { UInt8($0, radix: 16)! }
        let expected = repaired.split(separator: " ").map { UInt8($0, radix: 16)! }
        #expect(repair([bytes]).output == expected)
        #expect(repair(bytes.map { [$0] }).output == expected, "one byte at a time")
    }

    @Test func countsReplacedBytes() {
        #expect(repair([Array("Müller 世界 😀".utf8)]).replaced == 0)
        #expect(repair([[0x61, 0xE2, 0x82, 0x41, 0xFF]]).replaced == 3)
        #expect(repair([[0xF0, 0x9F, 0x98]]).replaced == 3)
    }

    /// Compares with the standard library's decoder on nearly valid UTF-8 split at random positions.
    @Test(arguments: 1...20 as ClosedRange<UInt64>)
    func agreesWithTheStandardLibrary(seed: UInt64) {
        var random = SplitMix(state: seed)
        let alphabet: [[UInt8]] = [
            [0x41], [0x0A], [0xC3, 0xA9], [0xE4, 0xB8, 0x96], [0xF0, 0x9F, 0x98, 0x80], [0xE0], [0xED, 0xA0],
            [0xF4, 0x90],
            [0xF0, 0x9F], [0x80], [0xC0], [0xFF], [0xF1, 0x80, 0x80],
        ]
        let bytes = (0..<2_000).flatMap { _ in alphabet.randomElement(using: &random)! }
        var pieces: [[UInt8]] = []
        var rest = bytes[...]
        while !rest.isEmpty {
            pieces.append(Array(rest.prefix(Int.random(in: 0...7, using: &random))))
            rest = rest.dropFirst(pieces.last!.count)
        }
        #expect(repair(pieces).output == Array(String(decoding: bytes, as: UTF8.self).utf8), "seed \(seed)")
    }

    private func repair(_ pieces: [[UInt8]]) -> (output: [UInt8], replaced: Int) {
        var repair = UTF8Repair()
        var output: [UInt8] = []
        for piece in pieces { piece.withUnsafeBytes { repair.append($0, to: &output) } }
        repair.finish(to: &output)
        return (output, repair.replacedBytes)
    }
}

private struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = (state ^ (state >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
