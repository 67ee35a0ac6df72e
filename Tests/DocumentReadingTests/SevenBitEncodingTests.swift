import DocumentReading
import Testing
import TextReading

@Suite("Encodings that are ASCII as well") struct SevenBitEncodingTests {
    private static let chinese = """
        人人生而自由，在尊严和权利上一律平等。
        他们赋有理性和良心，
        并应以兄弟关系的精神相对待。

        """

    /// RFC 1843: ASCII between the lines of Chinese.
    private static var hz: [UInt8] {
        chinese.split(separator: "\n", omittingEmptySubsequences: false).flatMap { line -> [UInt8] in
            guard !line.isEmpty else { return Array("plain ~~ text\n".utf8) }
            return Array("a ~{".utf8) + String(line).encoded("EUC-CN").map { $0 & 0x7F } + Array("~}.\n".utf8)
        }
    }

    private static var decodedHZ: String {
        chinese.split(separator: "\n", omittingEmptySubsequences: false)
            .map { $0.isEmpty ? "plain ~ text\n" : "a \($0).\n" }.joined()
    }

    @Test func decodesHZ() throws {
        #expect(try Decoded(Self.hz) == Decoded(text: Self.decodedHZ, encoding: "HZ-GB-2312", replaced: 0))
        let read = try ReadDocument("a.txt", Self.hz)
        #expect(read.text == Self.decodedHZ)
        #expect(read.report?.encoding == "HZ-GB-2312")
    }

    @Test func joinsContinuedLinesOfHZ() throws {
        let text = Self.hz + Array("one~\n two\n".utf8)
        #expect(try Decoded(text).text == Self.decodedHZ + "one two\n")
    }

    @Test("More than a piece of a file")
    func decodesLongHZ() throws {
        let decoded = try Decoded((0..<1000).flatMap { _ in Self.hz })
        #expect(decoded.text == String(repeating: Self.decodedHZ, count: 1000))
    }

    @Test("Where it is set, damaged HZ is read as far as possible")
    func readsHZWhereItIsSet() throws {
        let damaged = (0..<20).flatMap { _ in Self.hz } + Array("~x ~{<:\n~{ab".utf8)
        #expect(try Decoded(damaged).encoding == "UTF-8")
        let decoded = try Decoded(damaged, configured: "hz")
        #expect(decoded.text.hasPrefix(Self.decodedHZ))
        #expect(decoded.text.contains("\u{FFFD}x 己\n"))
        #expect(decoded.replaced == 1)
    }

    @Test(
        arguments: [
            "Grüße aus Köln: schöne Tür, größere Äpfel – „so“.\n", "Всеобщая декларация прав человека, 1 + 1\n",
            "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。\n", "It’s the “old” bridge; isn’t it?\n",
        ], [3, 100])
    func decodesUTF7(line: String, count: Int) throws {
        let text = String(repeating: line, count: count)
        #expect(try Decoded(text.encoded("UTF-7")) == Decoded(text: text, encoding: "UTF-7", replaced: 0))
    }

    @Test(
        "What only looks alike is plain text",
        arguments: [
            "The old bridge leads over a quiet river, call +1-800 or +44 20. C++ and a+b-c are fine.\n",
            "let c = a+bcd-e + (f+ghi) // foo+bar-baz@example.org\n",
            "assign x = ~{a, b}; y = ~{c}; z = ~~{d}; w = ~{e~}\n",
            "see~{\\em this} and~{\\bf that}, a~b\n", "a +- b +- c +- d\n", "+++ b/file\n+added\n+line\n",
            "iVBORw0KGgo+AAAANSUhEUgAA+AAAFCAYAAACNbyblAAAAHElEQVQI12P4+8zAAAA\nAAA+9TXL0Y4OHwAAAABJ+RU5ErkJggg+\n",
            "+abcdefgh +ijklmnop +qrstuvwx\n", "+one+two+six+ten\n",
        ], [1, 50])
    func keepsPlainText(line: String, count: Int) throws {
        let text = String(repeating: line, count: count)
        #expect(try Decoded(Array(text.utf8)) == Decoded(text: text, encoding: "UTF-8", replaced: 0))
    }

    @Test("Rare sequences in a long text are part of it")
    func keepsTextAboutUTF7() throws {
        let text = String(repeating: "The letter is written thus in UTF-7, among other things.\n", count: 100)
        let sequences = String(repeating: "+AOk- ", count: 4)
        #expect(try Decoded(Array((text + sequences).utf8)).text == text + sequences)
    }

    @Test func leavesMarkupThatDeclaresUTF8Alone() throws {
        let text = String(repeating: "Grüße aus Köln\n", count: 10).encoded("UTF-7")
        #expect(try Decoded(text, declared: "utf-8").encoding == "UTF-8")
    }

    /// The service reads plain text by itself, without the reader that knows other encodings.
    @Test func defersTextThatMayBeEncoded() {
        func isPlain(_ text: [UInt8], hasKnownEncoding: Bool = false) -> Bool {
            var check = PlainTextCheck(hasKnownEncoding: hasKnownEncoding)
            return text.withUnsafeBytes { check.append($0) } && check.finish()
        }
        let german = String(repeating: "Grüße aus Köln\n", count: 10)
        #expect(!isPlain(Self.hz))
        #expect(!isPlain(german.encoded("UTF-7")))
        #expect(isPlain(german.encoded("UTF-7"), hasKnownEncoding: true))
        #expect(isPlain(german.encoded("UTF-7") + Array("ü".utf8)))
        #expect(isPlain(Array("a+b-c, C++ and foo+bar-baz\n+AOk- +AOk- +AOk-\n".utf8)))
    }
}
