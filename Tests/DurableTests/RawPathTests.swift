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

    /// macOS writes names with accents as letter and accent.
    @Test(arguments: [
        ("Andr\u{E9}", "Andre\u{301}"), ("\u{AC00}", "\u{1100}\u{1161}"), ("\u{212A}", "K"),
        ("q\u{307}\u{323}", "q\u{323}\u{307}"),
    ])
    func equivalentNamesDiffer(one: String, other: String) {
        let texts = [one, other].map { RawPath.text($0.utf8) }
        #expect(one == other && texts[0] != texts[1])
        for (text, name) in zip(texts, [one, other]) {
            #expect(
                text.withRawPath { Array(UnsafeRawBufferPointer(start: $0, count: strlen($0))) } == Array(name.utf8))
            #expect(Array(RawPath.printable(text).utf8) == Array(name.utf8))
        }
    }

    @Test(arguments: [
        ("a b.txt", "a b.txt"), ("a\nb\u{7F}", "a\\x0Ab\\x7F"), (RawPath.text([0x61, 0xE9]), "a\\xE9"),
        ("\u{100000}", "\u{100000}"), ("a\u{202E}b\u{9B}", "a\\u{202E}b\\u{9B}"), ("«é» – ’", "«é» – ’"),
        ("\u{2028}\u{2066}\u{2069}", "\\u{2028}\\u{2066}\\u{2069}"),
    ])
    func escapesForDisplay(text: String, printable: String) { #expect(RawPath.printable(text) == printable) }
}
