import Glibc

/// A character encoding that iconv can convert, under the name shown to users.
package struct EncodingName: Sendable, Hashable {
    /// The IANA name where there is one.
    package let name: String
    /// The name for `iconv_open`. It can be a superset of the encoding: pages that say ISO-8859-1 are windows-1252.
    package let converter: String

    private static let longest = 40

    /// The names for which the converter of the same name is not what files under that name contain, or which iconv
    /// does not know. The supersets are those of the WHATWG's Encoding Standard.
    private static let labels: [(name: String, converter: String, labels: [String])] = [
        ("UTF-8", "UTF-8", ["utf-8", "utf8", "unicode-1-1-utf-8", "utf-8-sig", "utf8mb4"]),
        ("UTF-16", "UTF-16", ["utf-16", "utf16", "unicode", "ucs-2", "iso-10646-ucs-2"]),
        (
            "windows-1252", "CP1252",
            [
                "windows-1252", "cp1252", "cp-1252", "x-cp1252", "iso-8859-1", "iso8859-1", "iso_8859-1", "iso88591",
                "latin1", "latin-1", "l1", "us-ascii", "ascii", "ansi", "ansi_x3.4-1968", "cp819", "x-user-defined",
            ]
        ),
        ("windows-1254", "CP1254", ["windows-1254", "cp1254", "iso-8859-9", "iso8859-9", "iso_8859-9", "latin5"]),
        (
            "windows-874", "CP874",
            ["windows-874", "cp874", "dos-874", "tis-620", "tis620", "iso-8859-11", "iso8859-11"]
        ),
        (
            "Shift_JIS", "CP932",
            ["shift_jis", "shift-jis", "sjis", "x-sjis", "ms_kanji", "cp932", "ms932", "windows-31j"]
        ),
        ("EUC-JP", "EUC-JP-MS", ["euc-jp", "eucjp", "x-euc-jp", "ujis", "euc-jp-ms", "cp51932"]),
        ("ISO-2022-JP", "ISO-2022-JP-3", ["iso-2022-jp", "csiso2022jp", "jis"]),
        (
            "EUC-KR", "UHC",
            ["euc-kr", "euckr", "ks_c_5601-1987", "ks_c_5601", "ksc5601", "windows-949", "cp949", "uhc"]
        ),
        ("GB18030", "GB18030", ["gb18030", "gbk", "gb2312", "gb_2312-80", "x-gbk", "euc-cn", "cp936", "windows-936"]),
        ("Big5", "CP950", ["big5", "big-5", "cn-big5", "x-x-big5", "cp950", "windows-950"]),
        ("Big5-HKSCS", "BIG5-HKSCS", ["big5-hkscs", "big5hkscs"]),
        ("macintosh", "MACINTOSH", ["macintosh", "mac", "macroman", "mac-roman", "x-mac-roman"]),
        ("x-mac-cyrillic", "MAC-CYRILLIC", ["x-mac-cyrillic", "mac-cyrillic", "maccyrillic"]),
        ("x-mac-ce", "MAC-CENTRALEUROPE", ["x-mac-ce", "mac-centraleurope", "maccentraleurope", "mac-latin2"]),
        ("windows-1250", "CP1250", ["windows-1250", "cp1250", "cp-1250"]),
        ("windows-1251", "CP1251", ["windows-1251", "cp1251", "cp-1251"]),
        ("windows-1253", "CP1253", ["windows-1253", "cp1253"]),
        ("windows-1255", "CP1255", ["windows-1255", "cp1255"]),
        ("windows-1256", "CP1256", ["windows-1256", "cp1256"]),
        ("windows-1257", "CP1257", ["windows-1257", "cp1257"]),
        ("windows-1258", "CP1258", ["windows-1258", "cp1258"]),
    ]

    private static let byLabel: [String: EncodingName] = labels.reduce(into: [:]) { found, row in
        for label in row.labels { found[label] = EncodingName(name: row.name, converter: row.converter) }
    }

    package init(name: String, converter: String) {
        self.name = name
        self.converter = converter
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
        self.init(name: name, converter: name)
    }

    package var isUTF8: Bool { converter == "UTF-8" }

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
