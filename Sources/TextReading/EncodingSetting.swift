/// The value of `encoding` in a folder's configuration: an encoding, or `UTF-8+windows-1251` for files in which some lines
/// are UTF-8 and the others another encoding.
package struct EncodingSetting: Sendable, Hashable {
    private static let prefix = "utf-8+"

    /// The encoding, or that of the lines that are not UTF-8.
    package let encoding: EncodingName
    /// Whether lines that are UTF-8 are read as such.
    package let isLineByLine: Bool

    /// - Returns: nil if the encoding is unknown, or cannot be that of single lines
    package init?(_ text: String) {
        isLineByLine = text.lowercased().hasPrefix(Self.prefix)
        guard let encoding = EncodingName(isLineByLine ? String(text.dropFirst(Self.prefix.count)) : text) else {
            return nil
        }
        self.encoding = encoding
        if isLineByLine, !encoding.isInLinesBesideUTF8 { return nil }
    }

    /// The name of the encoding of lines beside UTF-8.
    package static func lineByLine(_ name: String) -> String { "UTF-8+\(name)" }

    /// Whether UTF-8 may be under this name: ASCII is a subset of it.
    static func admitsUTF8(_ text: String) -> Bool {
        EncodingName.admitsUTF8(text) || EncodingSetting(text)?.isLineByLine ?? false
    }
}

extension EncodingName {
    /// Whether lines in the encoding can be told from lines in UTF-8: bytes outside ASCII are not.
    fileprivate var isInLinesBesideUTF8: Bool {
        !isUTF8 && unitBytes == 1 && !["ISO-2022", "UTF-7", "HZ-"].contains(where: converter.hasPrefix)
    }
}
