import DocumentReading
import Testing
import TextReading

@Suite("Lines of UTF-8 among lines of another encoding") struct MixedLinesTests {
    struct Language: Sendable {
        let converter: String
        let name: String
        let sentences: [String]
    }

    private static let russian = [
        "Старый мост ведёт путников через тихую реку", "Утром на площади было пусто, и ветер гнал сухие листья",
        "Марья Ивановна купила хлеб, молоко и Новые сапоги", "Дети бежали по Лугу, смеялись и звали собаку",
    ]
    private static let japanese = [
        "吾輩は猫である。名前はまだ無い。", "古い橋の下で子供たちが遊んでいた。", "昨日、母から手紙が届いた。", "本を読む。",
    ]
    private static let chinese = [
        "早上的广场很安静，只有风吹着落叶。", "老人坐在长椅上看报纸。", "我们谈起去年夏天的事情。", "我明天要去北京看朋友。",
    ]
    private static let traditional = ["早上的廣場很安靜，只有風吹著落葉。", "老人坐在長椅上看報紙。", "我們談起去年夏天的事情。"]
    private static let korean = ["아침의 광장은 조용했고 바람만 불었다.", "우리는 창가에 오래 앉아 이야기를 했다.", "내일 서울에 가서 친구를 만난다."]

    static let languages: [Language] = [
        Language(converter: "CP1251", name: "windows-1251", sentences: russian),
        Language(converter: "KOI8-R", name: "KOI8-R", sentences: russian),
        Language(converter: "IBM866", name: "IBM866", sentences: russian),
        Language(converter: "MAC-CYRILLIC", name: "x-mac-cyrillic", sentences: russian),
        Language(
            converter: "CP1252", name: "windows-1252",
            sentences: [
                "Der Bäcker öffnet früh die Tür", "Die Straße führt über die Brücke", "Ein Mann grüßt höflich zurück",
            ]),
        Language(
            converter: "CP1250", name: "windows-1250",
            sentences: ["Piękna łąka leży za wąską rzeką", "Wieczorem długo siedzieliśmy przy oknie, śmiejąc się"]),
        Language(converter: "CP932", name: "Shift_JIS", sentences: japanese),
        Language(converter: "EUC-JP", name: "EUC-JP", sentences: japanese),
        Language(converter: "GB18030", name: "GB18030", sentences: chinese),
        Language(converter: "BIG5", name: "Big5", sentences: traditional),
        Language(converter: "EUC-KR", name: "EUC-KR", sentences: korean),
    ]

    /// 400 lines, so many of them in UTF-8, evenly spread.
    private func mixture(_ language: Language, utf8 count: Int) -> (bytes: [UInt8], text: String) {
        var (bytes, text): ([UInt8], String) = ([], "")
        for index in 0..<400 {
            let sentences = language.sentences
            let line = "\(sentences[index % sentences.count]) \(sentences[index / 3 % sentences.count])\n"
            let isUTF8 = (index + 1) * count / 400 > index * count / 400
            bytes += isUTF8 ? Array(line.utf8) : line.encoded(language.converter)
            text += line
        }
        return (bytes, text)
    }

    @Test(arguments: languages.indices, [4, 20, 40, 200])
    func areCountedAndNamed(index: Int, count: Int) throws {
        let language = Self.languages[index]
        let error = try #require(throws: RejectionError.self) { try Decoded(mixture(language, utf8: count).bytes) }
        let reason = error.reason.text
        #expect(reason.hasPrefix("mixes UTF-8 with another encoding: of its lines that are not ASCII, "), "\(reason)")
        #expect(reason.contains("\(count) are UTF-8 (the first is line \(400 / count))"), "\(reason)")
        #expect(reason.contains(" are \(language.name) (the first is line 1)"), "\(reason)")
        #expect(reason.contains("write ‘encoding: UTF-8+\(language.name)’ to .kbconfig.yaml"), "\(reason)")
    }

    @Test("The setting of the reason reads each line as what it is", arguments: languages.indices, [0, 4, 40, 400])
    func areReadWithTheSetting(index: Int, count: Int) throws {
        let language = Self.languages[index]
        let setting = "UTF-8+\(language.name)"
        let (bytes, text) = mixture(language, utf8: count)
        #expect(try Decoded(bytes, configured: setting) == Decoded(text: text, encoding: setting, replaced: 0))
    }

    @Test("A declaration of the other encoding is enough", arguments: languages.indices, [4, 40])
    func areReadWithADeclaration(index: Int, count: Int) throws {
        let language = Self.languages[index]
        let (bytes, text) = mixture(language, utf8: count)
        #expect(
            try Decoded(bytes, declared: language.name)
                == Decoded(text: text, encoding: "UTF-8+\(language.name)", replaced: 0))
        let pure = mixture(language, utf8: 0)
        #expect(
            try Decoded(pure.bytes, declared: language.name)
                == Decoded(text: text, encoding: language.name, replaced: 0))
    }

    @Test("A declared name that is not the one of the detection", arguments: ["cp866", "866", "IBM866"])
    func areReadWithAnotherDeclaredName(name: String) throws {
        let (bytes, text) = mixture(Language(converter: "IBM866", name: "", sentences: Self.russian), utf8: 20)
        #expect(try Decoded(bytes, declared: name).text == text)
    }

    @Test("Short lines that are UTF-8 by accident are no mixture")
    func accidentsAreNoMixture() throws {
        let words = ["책", "창", "호", "화", "크", "트", "카트", "회", "타", "카", "치타"]
        let accidents = words.map { $0.encoded("EUC-KR") }
        #expect(accidents.allSatisfy { String(validating: $0, as: UTF8.self) != nil })
        let lines = (Self.korean.joined(separator: "\n") + "\n").encoded("EUC-KR")
        let bytes: [UInt8] = (0..<100).flatMap { lines + accidents[$0 % accidents.count] + [0x0A] }
        let decoded = try Decoded(bytes)
        #expect(decoded.encoding == "EUC-KR" && decoded.replaced == 0)
    }

    @Test("Lines that are longer than the pieces in which a file is read")
    func longLines() throws {
        let cyrillic = String(repeating: Self.russian[0] + " ", count: 3_000)
        let bytes = cyrillic.encoded("CP1251") + [0x0A] + Array(cyrillic.utf8) + [0x0D] + "конец".encoded("CP1251")
        let decoded = try Decoded(bytes, configured: "utf-8+cp1251")
        #expect(decoded.text == "\(cyrillic)\n\(cyrillic)\rконец" && decoded.replaced == 0)
        let error = try #require(throws: RejectionError.self) { try Decoded(bytes) }
        #expect(error.reason.text.contains("1 is UTF-8 (line 2)"), "\(error.reason.text)")
    }

    @Test func mixtureAfterAByteOrderMarkIsNamed() throws {
        let bytes = [0xEF, 0xBB, 0xBF] + mixture(Self.languages[0], utf8: 40).bytes
        let error = try #require(throws: RejectionError.self) { try Decoded(bytes) }
        #expect(error.reason.text.hasPrefix("is not UTF-8: "))
        #expect(error.reason.text.contains("write ‘encoding: UTF-8+windows-1251’"), "\(error.reason.text)")
        let decoded = try Decoded(bytes, configured: "UTF-8+windows-1251")
        #expect(decoded.text == mixture(Self.languages[0], utf8: 40).text)
    }

    @Test(arguments: [
        "UTF-8+UTF-8", "UTF-8+UTF-16", "UTF-8+ISO-2022-JP", "UTF-8+HZ", "UTF-8+UTF-7", "UTF-8+", "UTF-8+x",
    ])
    func encodingsThatCannotBeToldByLineAreNoSetting(name: String) {
        #expect(EncodingSetting(name) == nil)
    }
}
