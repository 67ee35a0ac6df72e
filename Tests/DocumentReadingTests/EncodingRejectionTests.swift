import DocumentReading
import Testing
import TextReading

@Suite("Undecodable text") struct EncodingRejectionTests {
    private static let line = "Der Bäcker öffnet früh die Tür für die Gäste.\n"

    private func reason(_ bytes: [UInt8], configured: String? = nil) throws -> String {
        try #require(throws: RejectionError.self) { try Decoded(bytes, configured: configured) }.reason.text
    }

    private func random(_ count: Int, seed: UInt64) -> [UInt8] {
        var state = seed
        return (0..<count).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return UInt8(state >> 56)
        }
    }

    @Test("Random bytes are rejected", arguments: [1 as UInt64, 2, 3], [200, 8_192, 100_000])
    func rejectsRandomBytes(seed: UInt64, count: Int) throws {
        #expect(try reason(random(count, seed: seed)).contains("is not text in any known encoding"))
        let withoutControls = random(count, seed: seed).map { $0 % 0x80 < 0x20 ? $0 | 0x40 : $0 }
        // The reason may name the least improbable encoding.
        _ = try reason(withoutControls)
    }

    @Test func rejectsNumbersOfTwoBytes() throws {
        let samples = (0..<4_000).flatMap { index in
            withUnsafeBytes(of: Int16(truncatingIfNeeded: (index % 97 - 48) * 311).littleEndian, Array.init)
        }
        #expect(try reason(samples).contains("is not text in any known encoding"))
    }

    private static let english = "The old garden near the river is green and the birds sing in the morning light.\n"

    /// Inserts bytes as words of their own into English text, one every 100 bytes.
    private func english(with stray: [UInt8]) -> [UInt8] {
        let text = Array(String(repeating: Self.english, count: 400).utf8)
        return stride(from: 0, to: text.count, by: 100).enumerated().flatMap { number, start in
            let line = text[start..<min(text.count, start + 100)]
            let gap = line.firstIndex(of: UInt8(ascii: " ")).map { $0 + 1 } ?? line.startIndex
            return line[..<gap] + [stray[number % stray.count], UInt8(ascii: " ")] + line[gap...]
        }
    }

    @Test(
        "Stray bytes in English text are not letters of another script",
        arguments: [[0xFF, 0xFE, 0x80], [0xFF], [0xFF, 0xFE, 0x80, 0xC0, 0xC1, 0xF5, 0xF8, 0x81]] as [[UInt8]])
    func rejectsStrayBytes(stray: [UInt8]) throws {
        let text = try reason(english(with: stray))
        #expect(text.contains("is not text in any known encoding") || text.contains("cannot be told"), "\(text)")
    }

    @Test("Damaged ISO-2022 is not taken for the ASCII that its bytes are")
    func rejectsDamagedISO2022() throws {
        let text = String(repeating: "吾輩は猫である。名前はまだ無い。 plain\n", count: 20).encoded("ISO-2022-JP")
        var escapes = 0
        let damaged = text.filter { byte in
            if byte == 0x1B { escapes += 1 }
            return byte != 0x1B || escapes % 4 != 0
        }
        #expect(damaged.count < text.count && damaged.allSatisfy { $0 < 0x80 })
        #expect(try reason(damaged).contains("looks like ISO-2022-JP, but is damaged: "))
        // The setting decides.
        #expect(try Decoded(damaged, configured: "utf-8").encoding == "UTF-8")
    }

    @Test func countsStrayBytesInISO2022() throws {
        let text = String(repeating: "吾輩は猫である。名前はまだ無い。\n", count: 100)
        let decoded = try Decoded(text.encoded("ISO-2022-JP") + [0xFF, 0x0A])
        #expect(decoded == Decoded(text: text + "\u{FFFD}\n", encoding: "ISO-2022-JP", replaced: 1))
    }

    @Test("At most one of a thousand bytes is replaced, and each is counted")
    func replacesFewBytes() throws {
        var bytes = Array(String(repeating: Self.line, count: 100).utf8)
        bytes.insert(contentsOf: [0xFF, 0x0A, 0xFE, 0x0A, 0xC3], at: 2 * Self.line.utf8.count)
        let decoded = try Decoded(bytes)
        #expect(decoded.replaced == 3)
        #expect(decoded.encoding == "UTF-8")
        #expect(decoded.text.contains("\u{FFFD}\n\u{FFFD}\n\u{FFFD}Der Bäcker"))

        bytes.insert(contentsOf: [0xFF, 0x20, 0xFF, 0x20, 0xFF], at: 0)
        let count = bytes.count
        #expect(
            try reason(bytes, configured: "UTF-8").contains(
                "is not UTF-8: 6 of \(count / 1000),\(count % 1000) bytes cannot be decoded"))
    }

    @Test func countsNUL() throws {
        let bytes = Array(String(repeating: Self.line, count: 100).utf8)
        let decoded = try Decoded(bytes + [0] + bytes)
        #expect(decoded.replaced == 1)
        #expect(decoded.text.contains("\u{FFFD}Der"))
    }

    @Test("A wrong setting is rejected with the right one")
    func namesTheEncodingForTheSetting() throws {
        let japanese = String(repeating: "吾輩は猫である。名前はまだ無い。\n", count: 20)
        let text = try reason(japanese.encoded("EUC-JP"), configured: "Shift_JIS")
        #expect(text.hasPrefix("is not Shift_JIS: "))
        #expect(text.contains("it looks like EUC-JP"))
        #expect(text.contains("write ‘encoding: EUC-JP’ to .kbconfig.yaml in its folder and move the file back there"))
        #expect(try Decoded(japanese.encoded("EUC-JP"), configured: "EUC-JP").text == japanese)
        #expect(text.utf8.count <= 1024)
    }

    @Test("Text that two encodings explain is kept, and a setting decides")
    func rejectsAmbiguousText() throws {
        let bytes =
            String(repeating: "Старый мост ведёт путников\n", count: 50).encoded("KOI8-R")
            + String(repeating: "Старый мост ведёт путников\n", count: 50).encoded("CP1251")
        let text = try reason(bytes)
        #expect(text.contains("KOI8-R and windows-1251") || text.contains("windows-1251 and KOI8-R"))
        #expect(try Decoded(bytes, configured: "koi8-r").text.contains("Старый мост"))
    }

    @Test func rejectsTextThatIsPartlyUTF8() throws {
        let bytes = (0..<200).flatMap { $0 % 2 == 0 ? Array(Self.line.utf8) : Self.line.encoded("ISO-8859-1") }
        #expect(try reason(bytes).contains("mixes UTF-8 with another encoding"))
    }

    @Test(
        "A few lines of UTF-8 among many in another encoding",
        arguments: [
            ("Старый мост ведёт путников через тихую реку.\n", "KOI8-R"), (line, "CP1252"), (line, "IBM850"),
            ("Piękna łąka leży za wąską rzeką, gdzie żyją źrebięta.\n", "CP1250"),
            ("Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι.\n", "CP1253"),
        ], [5, 10, 90])
    func rejectsFewLinesOfUTF8(text: (line: String, converter: String), percent: Int) throws {
        #expect(try reason(Self.mixture(text, percent)).contains("mixes UTF-8 with another encoding"))
    }

    @Test(
        "A mixture is not said to be a damaged encoding of several bytes",
        arguments: [
            ("Старый мост ведёт путников через тихую реку.\n", "KOI8-R"),
            ("Старый мост ведёт путников через тихую реку.\n", "CP1251"),
            ("吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。\n", "CP932"),
            ("吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。\n", "EUC-JP"),
            ("모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다.\n", "EUC-KR"),
            ("人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心。\n", "GBK"),
        ], [30, 50, 80])
    func rejectsMixtureOfSeveralBytes(text: (line: String, converter: String), percent: Int) throws {
        #expect(try reason(Self.mixture(text, percent)).contains("mixes UTF-8 with another encoding"))
    }

    /// 300 lines, of which this percentage is in UTF-8.
    private static func mixture(_ text: (line: String, converter: String), _ percent: Int) -> [UInt8] {
        let other = text.line.encoded(text.converter)
        return (0..<300).flatMap { $0 * 7 % 100 < percent ? Array(text.line.utf8) : other }
    }

    @Test("Frames and letters beside each other are no UTF-8")
    func readsFramesOfDOS() throws {
        let text = String(repeating: "┌────────────┐\n│ Übersicht  │\n├─────┬──────┤\n│ Größe für Äpfel│\n", count: 40)
        #expect(try Decoded(text.encoded("IBM850"), configured: nil).text == text)
        let russian = String(repeating: "Её новое пальто, моё и твоё: всё ещё шёлковое, пёстрое.\n", count: 40)
        #expect(try Decoded(russian.encoded("KOI8-R")) == Decoded(text: russian, encoding: "KOI8-R", replaced: 0))
    }

    private static let scripts = [
        "The old bridge leads over a quiet river.\r\n", "吾輩は猫である。名前はまだ無い。\n", "人人生而自由在尊严和权利上一律平等他们赋有理性和良心",
        "Старый мост ведёт путников.\n", "सभी मनुष्यों को गौरव और अधिकारों के मामले में\n", "ਸਾਰਾ ਮਨੁੱਖੀ ਪਰਿਵਾਰ\n",
        "മനുഷ്യരെല്ലാവരും തുല്യാവകാശങ്ങളോടും\n", "┌──────┐\n", "==================================================\n",
    ]

    @Test("Lines of ASCII or UTF-8 after UTF-16", arguments: scripts, ["LE", "BE"])
    func rejectsTextAppendedToUTF16(line: String, order: String) throws {
        let text = ("\u{FEFF}" + String(repeating: line, count: 40)).encoded("UTF-16" + order)
        #expect(try Decoded(text).replaced == 0)
        for tail in [
            "2026-11-30 service started\r\n2026-11-30 ready\n", "Größe für Äpfel: ändern, öffnen, übernehmen\n",
        ] {
            let found = try reason(text + Array(tail.utf8))
            #expect(found.hasPrefix("mixes UTF-16 with another encoding: about the last "), "\(found)")
            #expect(found.contains("convert the part before them to UTF-8"))
        }
        // The setting decides.
        #expect(try Decoded(text + Array("appended 2026\n".utf8), configured: "UTF-16").encoding == "UTF-16")
    }

    @Test func rejectsShortTextAppendedToUTF16() throws {
        let english = String(repeating: Self.english, count: 20).encoded("UTF-16LE")
        let found = try reason(english + Array("all done.\n".utf8))
        #expect(found.hasPrefix("mixes UTF-16LE with another encoding: about the last 10 of "), "\(found)")
        // Ideographs of which both bytes are letters of ASCII.
        let ideographs = "\u{6E61}\u{6F6E}\u{7265}\u{6461}\u{6174}"
        let text = String(repeating: Self.english, count: 20) + ideographs
        #expect(try Decoded(text.encoded("UTF-16LE")).text == text)
        #expect(try Decoded((text + "\n").encoded("UTF-16LE")).text == text + "\n")
    }

    @Test func namesTheEncodingOfDamagedText() throws {
        let japanese = String(repeating: "吾輩は猫である。名前はまだ無い。\n", count: 20).encoded("EUC-JP")
        let text = try reason(
            japanese.enumerated().flatMap { $0.offset % 264 == 0 ? [0xFF, $0.element] : [$0.element] })
        #expect(text.contains("looks like EUC-JP, but is damaged: "))
    }

    @Test func ASCIIIsPlainUnderAnyName() throws {
        #expect(try Decoded(Array("plain\n".utf8)).encoding == "UTF-8")
        #expect(try Decoded(Array("plain\n".utf8), configured: "windows-1252").text == "plain\n")
        #expect(try Decoded([]).text == "")
    }
}
