import Glibc

/// A character encoding that iconv can convert, under the name shown to users.
package struct EncodingName: Sendable, Hashable {
    /// The IANA name where there is one.
    package let name: String
    /// The name for `iconv_open`. It can be a superset of the encoding: pages that say ISO-8859-1 are windows-1252.
    package let converter: String

    /// Length of the units of the encoding in bytes. Where they have several, NUL bytes are part of characters.
    package let unitBytes: Int

    private static let longest = 40

    /// The encodings whose name for iconv is not the name that users see, that are detected, or whose units have several
    /// bytes. The supersets are those of the WHATWG's Encoding Standard. Every other name is looked up in iconv.
    private static let table: [(name: String, converter: String, unitBytes: Int, labels: [String])] =
        [
            ("UTF-8", "UTF-8", 1, ["utf8", "unicode-1-1-utf-8", "utf-8-sig", "utf8mb4"]),
            ("UTF-16", "UTF-16", 2, ["utf16", "unicode", "ucs-2", "ucs2", "iso-10646-ucs-2"]),
            ("UTF-16LE", "UTF-16LE", 2, ["utf16le", "utf-16-le", "ucs-2le", "ucs2le", "unicodelittle"]),
            ("UTF-16BE", "UTF-16BE", 2, ["utf16be", "utf-16-be", "ucs-2be", "ucs2be", "unicodebig"]),
            ("UTF-32", "UTF-32", 4, ["utf32", "ucs-4", "ucs4", "iso-10646-ucs-4"]),
            ("UTF-32LE", "UTF-32LE", 4, ["utf32le", "utf-32-le", "ucs-4le", "ucs4le"]),
            ("UTF-32BE", "UTF-32BE", 4, ["utf32be", "utf-32-be", "ucs-4be", "ucs4be"]),
            (
                "windows-1252", "CP1252", 1,
                [
                    "cp1252", "cp-1252", "x-cp1252", "iso-8859-1", "iso8859-1", "iso_8859-1", "iso88591", "latin1",
                    "latin-1", "l1", "us-ascii", "ascii", "ansi", "ansi_x3.4-1968", "cp819", "x-user-defined",
                ]
            ),
            ("windows-1254", "CP1254", 1, ["cp1254", "iso-8859-9", "iso8859-9", "iso_8859-9", "latin5"]),
            ("windows-874", "CP874", 1, ["cp874", "dos-874", "tis-620", "tis620", "iso-8859-11", "iso8859-11"]),
            ("Shift_JIS", "CP932", 1, ["shift-jis", "sjis", "x-sjis", "ms_kanji", "cp932", "ms932", "windows-31j"]),
            ("EUC-JP", "EUC-JP-MS", 1, ["eucjp", "x-euc-jp", "ujis", "euc-jp-ms", "cp51932"]),
            ("ISO-2022-JP", "ISO-2022-JP-3", 1, ["csiso2022jp", "jis"]),
            ("EUC-KR", "UHC", 1, ["euckr", "ks_c_5601-1987", "ks_c_5601", "ksc5601", "windows-949", "cp949", "uhc"]),
            ("GB18030", "GB18030", 1, ["gbk", "gb2312", "gb_2312-80", "x-gbk", "euc-cn", "cp936", "windows-936"]),
            ("Big5", "CP950", 1, ["big-5", "cn-big5", "x-x-big5", "cp950", "windows-950"]),
            ("Big5-HKSCS", "BIG5-HKSCS", 1, ["big5hkscs"]),
            // The only one that iconv does not know.
            ("HZ-GB-2312", "HZ-GB-2312", 1, ["hz", "hz-gb2312", "hzgb2312"]), ("EUC-TW", "EUC-TW", 1, []),
            ("JOHAB", "JOHAB", 1, []), ("TCVN", "TCVN", 1, []),
            ("macintosh", "MACINTOSH", 1, ["mac", "macroman", "mac-roman", "x-mac-roman"]),
            ("x-mac-cyrillic", "MAC-CYRILLIC", 1, ["mac-cyrillic", "maccyrillic"]),
            ("x-mac-ce", "MAC-CENTRALEUROPE", 1, ["mac-centraleurope", "maccentraleurope", "mac-latin2"]),
            ("windows-1250", "CP1250", 1, ["cp1250", "cp-1250"]), ("windows-1251", "CP1251", 1, ["cp1251", "cp-1251"]),
            ("windows-1253", "CP1253", 1, ["cp1253"]), ("windows-1255", "CP1255", 1, ["cp1255"]),
            ("windows-1256", "CP1256", 1, ["cp1256"]), ("windows-1257", "CP1257", 1, ["cp1257"]),
            ("windows-1258", "CP1258", 1, ["cp1258"]), ("IBM737", "CP737", 1, ["cp737"]),
            ("IBM775", "CP775", 1, ["cp775"]),
        ] + sameNames.map { ($0, $0, 1, []) }

    /// Encodings that are detected and that iconv knows by the name that users see.
    private static let sameNames = [
        "ISO-8859-2", "ISO-8859-3", "ISO-8859-4", "ISO-8859-5", "ISO-8859-6", "ISO-8859-7", "ISO-8859-8", "ISO-8859-10",
        "ISO-8859-13", "ISO-8859-14", "ISO-8859-15", "ISO-8859-16", "KOI8-R", "KOI8-U", "IBM437", "IBM850", "IBM852",
        "IBM855", "IBM857", "IBM861", "IBM862", "IBM865", "IBM866",
    ]

    private static let byLabel: [String: EncodingName] = table.reduce(into: [:]) { found, row in
        let encoding = EncodingName(name: row.name, converter: row.converter, unitBytes: row.unitBytes)
        for label in [row.name.lowercased()] + row.labels { found[label] = encoding }
    }

    private init(name: String, converter: String, unitBytes: Int) {
        self.name = name
        self.converter = converter
        self.unitBytes = unitBytes
    }

    /// Returns an encoding of the table.
    /// - Precondition: the table has the name.
    package static func known(_ name: String) -> EncodingName {
        guard let found = byLabel[name.lowercased()] else { preconditionFailure("no encoding \(name)") }
        return found
    }

    /// - Parameter label: a name from a file or its folder's configuration, in upper or lower case
    /// - Returns: nil if the encoding is unknown
    package init?(_ label: String) {
        let label = label.drop { $0.isWhitespace }
        let bytes = label.utf8.prefix(Self.longest + 1)
        // What iconv reads after a slash are options.
        guard !bytes.isEmpty, bytes.count <= Self.longest, bytes.allSatisfy(Self.isAllowed) else { return nil }
        if let known = Self.byLabel[label.lowercased()] {
            self = known
            return
        }
        // The names of glibc are in upper case.
        let name = label.uppercased()
        guard name != "INTERNAL", let converter = iconv_open("UTF-8", name), converter != Self.failure else {
            return nil
        }
        iconv_close(converter)
        self.init(name: name, converter: name, unitBytes: 1)
    }

    package var isUTF8: Bool { converter == "UTF-8" }

    /// Whether text declared under this name may be UTF-8: ASCII is a subset of it.
    static func admitsUTF8(_ label: String) -> Bool {
        EncodingName(label)?.isUTF8 ?? false || ["us-ascii", "ascii"].contains(label.lowercased())
    }

    private static var failure: iconv_t? { iconv_t(bitPattern: -1) }

    private static func isAllowed(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "a")...UInt8(ascii: "z"):
            true
        default: "-_.:+()".utf8.contains(byte)
        }
    }
}
