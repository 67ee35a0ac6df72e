import TextReading

/// An encoding that can be detected.
struct Candidate: Sendable {
    let encoding: EncodingName
    /// How rare the encoding is, in nats.
    let rarity: Double
    let isSingleByte: Bool
    /// Whether the converter combines characters or keeps a state, so that no table of characters can replace it.
    let hasState: Bool

    var name: String { encoding.name }

    private init(_ name: String, _ rarity: Double, isSingleByte: Bool, hasState: Bool) {
        encoding = .known(name)
        self.rarity = rarity
        self.isSingleByte = isSingleByte
        self.hasState = hasState
    }

    private static func single(
        _ name: String, rarity: Double, hasState: Bool = false
    ) -> Candidate {
        Candidate(name, rarity, isSingleByte: true, hasState: hasState)
    }

    private static func multi(
        _ name: String, rarity: Double, hasState: Bool = false
    ) -> Candidate {
        Candidate(name, rarity, isSingleByte: false, hasState: hasState)
    }

    /// If several encodings decode a text identically, the first is reported.
    static let all: [Candidate] = [
        single("windows-1252", rarity: 0),
        single("windows-1250", rarity: 1.5),
        single("windows-1251", rarity: 1),
        single("ISO-8859-15", rarity: 1),
        single("ISO-8859-2", rarity: 2),
        single("KOI8-R", rarity: 1.5),
        single("KOI8-U", rarity: 2),
        single("IBM866", rarity: 2),
        single("ISO-8859-5", rarity: 2.5),
        single("x-mac-cyrillic", rarity: 3),
        single("IBM855", rarity: 3.5),
        single("windows-1253", rarity: 1),
        single("ISO-8859-7", rarity: 1.5),
        single("IBM737", rarity: 3),
        single("windows-1254", rarity: 2),
        single("IBM857", rarity: 6.5),
        single("windows-1255", rarity: 1, hasState: true),
        single("ISO-8859-8", rarity: 1.5),
        single("IBM862", rarity: 5),
        single("windows-1256", rarity: 1),
        single("ISO-8859-6", rarity: 2),
        single("windows-1257", rarity: 2.5),
        single("ISO-8859-13", rarity: 5),
        single("ISO-8859-4", rarity: 4),
        single("ISO-8859-10", rarity: 6),
        single("IBM775", rarity: 6),
        single("ISO-8859-3", rarity: 3.5),
        single("ISO-8859-14", rarity: 5),
        single("ISO-8859-16", rarity: 3.5),
        single("windows-1258", rarity: 3, hasState: true),
        single("TCVN", rarity: 4, hasState: true),
        single("windows-874", rarity: 1),
        single("IBM850", rarity: 5),
        single("IBM437", rarity: 5),
        single("IBM852", rarity: 6),
        single("IBM865", rarity: 6),
        single("IBM861", rarity: 6),
        single("macintosh", rarity: 5),
        single("x-mac-ce", rarity: 7),
        multi("Shift_JIS", rarity: 1),
        multi("EUC-JP", rarity: 1),
        multi("GB18030", rarity: 1),
        multi("Big5", rarity: 1),
        multi("Big5-HKSCS", rarity: 2, hasState: true),
        multi("EUC-KR", rarity: 1),
        multi("JOHAB", rarity: 4),
        multi("EUC-TW", rarity: 3),
    ]

    static func named(converter: String) -> Candidate? { all.first { $0.encoding.converter == converter } }
}
