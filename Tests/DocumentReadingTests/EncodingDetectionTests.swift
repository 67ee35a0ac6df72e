import DocumentReading
import Testing
import TextReading

@Suite("Detection of encodings") struct EncodingDetectionTests {
    private static let german = "Der Bäcker am Fluß öffnet früh die Tür für die Gäste, die über die Brücke kommen.\n"
    private static let french = "Le théâtre près du marché accueillit les élèves à l'heure où le cœur s'éveille.\n"
    private static let polish = "Piękna łąka leży za wąską rzeką, gdzie śpiewają ptaki i żyją źrebięta.\n"
    private static let czech = "Příliš žluťoučký kůň úpěl ďábelské ódy, když šel večer k řece.\n"
    private static let hungarian = "Minden emberi lény szabadon születik és egyenlő méltósága és joga van, őszintén.\n"
    private static let russian = "Старый мост ведёт путников через тихую реку к рынку, где уже открыты лавки.\n"
    private static let ukrainian = "Всі люди народжуються вільними і рівними у своїй гідності та правах.\n"
    private static let greek =
        "Άρθρο: Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια και τα δικαιώματα.\n"
    private static let turkish =
        "Bütün insanlar hür, haysiyet ve haklar bakımından eşit doğarlar; akıl ve vicdana sahiptirler.\n"
    private static let hebrew = "כל בני האדם נולדו בני חורין ושווים בערכם ובזכויותיהם, כולם חוננו בתבונה ובמצפון.\n"
    private static let arabic = "يولد جميع الناس أحرارا متساوين في الكرامة والحقوق وقد وهبوا عقلا وضميرا.\n"
    private static let thai = "มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์และสิทธิ ต่างมีเหตุผลและมโนธรรม\n"
    private static let lithuanian =
        "Visi žmonės gimsta laisvi ir lygūs savo orumu ir teisėmis, jiems suteiktas protas ir sąžinė.\n"
    private static let japanese = "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。古い橋の下で泣いていた。\n"
    private static let simplified = "人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心，并应以兄弟关系的精神相对待。\n"
    private static let traditional = "人皆生而自由；在尊嚴及權利上均各平等。人各賦有理性良知，誠應和睦相處，情同手足。\n"
    private static let korean = "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다. 인간은 이성과 양심을 부여받았다.\n"

    private static let texts: [(text: String, converter: String, name: String)] = [
        (german, "ISO-8859-1", "windows-1252"), (german, "IBM850", "IBM850"), (german, "MACINTOSH", "macintosh"),
        (french, "CP1252", "windows-1252"), (french, "ISO-8859-15", "ISO-8859-15"),
        (polish, "ISO-8859-2", "ISO-8859-2"), (polish, "CP1250", "windows-1250"), (polish, "IBM852", "IBM852"),
        (czech, "ISO-8859-2", "ISO-8859-2"), (czech, "CP1250", "windows-1250"), (hungarian, "CP1250", "windows-1250"),
        (russian, "CP1251", "windows-1251"), (russian, "KOI8-R", "KOI8-R"), (russian, "ISO-8859-5", "ISO-8859-5"),
        (russian, "IBM866", "IBM866"), (russian, "MAC-CYRILLIC", "x-mac-cyrillic"), (ukrainian, "KOI8-U", "KOI8-U"),
        (greek, "CP1253", "windows-1253"), (greek, "ISO-8859-7", "ISO-8859-7"), (greek, "CP737", "IBM737"),
        (turkish, "ISO-8859-9", "windows-1254"), (hebrew, "CP1255", "windows-1255"), (arabic, "CP1256", "windows-1256"),
        (arabic, "ISO-8859-6", "ISO-8859-6"), (thai, "TIS-620", "windows-874"), (lithuanian, "CP1257", "windows-1257"),
        (japanese, "EUC-JP", "EUC-JP"), (japanese, "CP932", "Shift_JIS"), (japanese, "ISO-2022-JP", "ISO-2022-JP"),
        (simplified, "GB18030", "GB18030"), (traditional, "BIG5", "Big5"), (traditional, "GB18030", "GB18030"),
        (korean, "EUC-KR", "EUC-KR"), (korean, "ISO-2022-KR", "ISO-2022-KR"),
        (german, "UTF-16LE", "UTF-16LE"), (russian, "UTF-16BE", "UTF-16BE"), (japanese, "UTF-16LE", "UTF-16LE"),
        (russian, "UTF-32LE", "UTF-32LE"), (japanese, "UTF-32BE", "UTF-32BE"),
    ]

    @Test("One sentence is enough", arguments: texts.indices)
    func detects(index: Int) throws {
        let (text, converter, name) = Self.texts[index]
        #expect(try Decoded(text.encoded(converter)) == Decoded(text: text, encoding: name, replaced: 0))
    }

    @Test("Characters at the ends of pieces are decoded, whatever their length", arguments: texts.indices)
    func decodesAcrossPieces(index: Int) throws {
        let (text, converter, name) = Self.texts[index]
        // A length that does not divide the size of a piece.
        let long = String(repeating: "x " + text, count: 1 + 100_000 / text.utf8.count)
        #expect(try Decoded(long.encoded(converter)) == Decoded(text: long, encoding: name, replaced: 0))
    }

    @Test(
        "Where all bytes are letters, a few words are enough",
        arguments: [
            ("Grüße aus Köln\n", "ISO-8859-1", "windows-1252"), ("Zażółć gęślą jaźń\n", "CP1250", "windows-1250"),
            ("Zażółć gęślą jaźń\n", "ISO-8859-2", "ISO-8859-2"), ("Привет, мир\n", "CP1251", "windows-1251"),
            ("Привет, мир\n", "KOI8-R", "KOI8-R"), ("こんにちは世界\n", "CP932", "Shift_JIS"),
        ])
    func detectsShortText(text: String, converter: String, name: String) throws {
        #expect(try Decoded(text.encoded(converter)) == Decoded(text: text, encoding: name, replaced: 0))
    }

    @Test func typographicQuotesAreWindows1252() throws {
        let text = "The “quick” fox doesn’t jump — ever.\n"
        #expect(try Decoded(text.encoded("CP1252")) == Decoded(text: text, encoding: "windows-1252", replaced: 0))
    }

    @Test func escapeSequencesOfTerminalsAreNotISO2022() throws {
        let text = String(repeating: "\u{1B}[31mred\u{1B}(B\u{1B}[m text\n", count: 20)
        #expect(try Decoded(Array(text.utf8)).encoding == "UTF-8")
    }

    @Test("Byte-order marks are not part of the text", arguments: ["UTF-8", "UTF-16", "UTF-32"])
    func removesByteOrderMark(name: String) throws {
        let text = String(repeating: Self.russian, count: 10)
        for order in name == "UTF-8" ? [""] : ["LE", "BE"] {
            #expect(
                try Decoded(("\u{FEFF}" + text).encoded(name + order))
                    == Decoded(text: text, encoding: name, replaced: 0))
        }
    }

    @Test(
        "A declaration that was read as ASCII is wrong about an encoding without ASCII",
        arguments: ["unicode", "utf-16", "utf-16le", "utf-32", "ucs-4", "ibm037", "ebcdic-us", "utf-7"])
    func ignoresDeclaredEncodingWithoutASCII(name: String) throws {
        #expect(
            try Decoded(Self.german.encoded("ISO-8859-1"), declared: name)
                == Decoded(text: Self.german, encoding: "windows-1252", replaced: 0))
        #expect(try Decoded(Array(Self.german.utf8), declared: name).encoding == "UTF-8")
    }

    /// A reason can advise to set any of them.
    @Test(arguments: texts.indices)
    func acceptsDetectedNameAsSetting(index: Int) throws {
        let (text, converter, name) = Self.texts[index]
        #expect(
            try Decoded(text.encoded(converter), configured: name) == Decoded(text: text, encoding: name, replaced: 0))
    }

    @Test("A declared encoding counts only if all of the text is in it")
    func confirmsDeclaredEncoding() throws {
        let bytes = Self.polish.encoded("ISO-8859-2")
        #expect(try Decoded("žena".encoded("ISO-8859-2"), declared: "ISO-8859-2").text == "žena")
        #expect(try Decoded(bytes, declared: "EUC-JP").encoding == "ISO-8859-2")
        #expect(try Decoded(Array(Self.german.utf8), declared: "ISO-8859-1").encoding == "UTF-8")
        #expect(try Decoded("“so”\n".encoded("CP1252"), declared: "iso-8859-1").text == "“so”\n")
        #expect(try Decoded(bytes, declared: "nonsense").encoding == "ISO-8859-2")
    }
}
