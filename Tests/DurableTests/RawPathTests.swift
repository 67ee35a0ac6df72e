import Durable
import Glibc
import Testing

struct RawPathTests {
    /// With an escape, with the character that begins with the same byte as an escape, and without either.
    @Test(
        arguments: [
            Array("a b.txt".utf8), Array("naïve 文.txt".utf8), [0x61, 0xE9, 0x2E], Array("\u{10FFE9}".utf8),
            Array("\u{100000}x".utf8), [0xF4], [],
        ] as [[UInt8]])
    func namesSurvive(bytes: [UInt8]) {
        let text = RawPath.text(bytes)
        let back = text.withRawPath { Array(UnsafeRawBufferPointer(start: $0, count: strlen($0))) }
        #expect(back == bytes)
    }

    @Test(arguments: [
        ("a b.txt", "a b.txt"), ("a\nb\u{7F}", "a\\x0Ab\\x7F"), (RawPath.text([0x61, 0xE9]), "a\\xE9"),
        ("\u{100000}", "\u{100000}"), ("a\u{202E}b\u{9B}", "a\\u{202E}b\\u{9B}"), ("«é» – ’", "«é» – ’"),
        ("\u{2028}\u{2066}\u{2069}", "\\u{2028}\\u{2066}\\u{2069}"),
    ])
    func escapesForDisplay(text: String, printable: String) { #expect(RawPath.printable(text) == printable) }
}
