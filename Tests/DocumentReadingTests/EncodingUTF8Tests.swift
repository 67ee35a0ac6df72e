import DocumentReading
import Testing

@Suite("Replacement in UTF-8") struct EncodingUTF8Tests {
    /// Expected output: `bytes.fromhex(…).decode("utf-8", errors="replace").encode().hex(" ")`, Python 3.11.
    @Test(arguments: [
        ("61 80 62", "61 ef bf bd 62"),
        ("c3 28", "ef bf bd 28"),
        ("e2 82 41", "ef bf bd 41"),
        ("f0 9f 98 80", "f0 9f 98 80"),
        ("f0 9f 41 42", "ef bf bd 41 42"),
        ("c0 af", "ef bf bd ef bf bd"),
        ("e0 80 af", "ef bf bd ef bf bd ef bf bd"),
        ("ed a0 80", "ef bf bd ef bf bd ef bf bd"),
        ("f4 90 80 80", "ef bf bd ef bf bd ef bf bd ef bf bd"),
        ("f5 80", "ef bf bd ef bf bd"),
        ("e2 82 ac e2 28 a1", "e2 82 ac ef bf bd 28 ef bf bd"),
        ("f0 28 8c 28", "ef bf bd 28 ef bf bd 28"),
        ("f1 80 80 e1 80 c2", "ef bf bd ef bf bd ef bf bd"),
    ])
    func repairsLikePython(bytes: String, repaired: String) throws {
        let bytes = bytes.split(separator: " ").map { UInt8($0, radix: 16)! }
        let expected = repaired.split(separator: " ").map { UInt8($0, radix: 16)! }
        // The text is read in pieces whose sizes are powers of two: across the end of one, and after it.
        for before in [65_530, 65_531, 65_532, 65_533, 65_534, 65_535, 65_536] {
            let padding = [UInt8](repeating: 0x78, count: before)
            let decoded = try Decoded(padding + bytes + [0x78], configured: "UTF-8")
            #expect(Array(decoded.text.utf8) == padding + expected + [0x78], "after \(before) bytes")
        }
        let last = try Decoded([UInt8](repeating: 0x78, count: 10_000) + bytes, configured: "UTF-8")
        #expect(Array(last.text.utf8.dropFirst(10_000)) == expected)
    }

    @Test(arguments: [("61 e2 82 41 ff", 3), ("f0 9f 98", 3), ("c3 a9", 0)])
    func countsReplacedBytes(bytes: String, count: Int) throws {
        let bytes = bytes.split(separator: " ").map { UInt8($0, radix: 16)! }
        let decoded = try Decoded([UInt8](repeating: 0x78, count: 10_000) + bytes, configured: "UTF-8")
        #expect(decoded.replaced == count)
    }
}
