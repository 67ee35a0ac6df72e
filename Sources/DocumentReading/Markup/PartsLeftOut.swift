/// Numbers of the parts of a document that are not in its text.
struct PartsLeftOut {
    enum Part: CaseIterable {
        case comment, header, footer, footnote, endnote, attachment, encryptedPart

        /// The noun for one, and for several.
        fileprivate var nouns: (one: String, several: String) {
            switch self {
            case .comment: ("comment", "comments")
            case .header: ("header", "headers")
            case .footer: ("footer", "footers")
            case .footnote: ("footnote without a reference in the text", "footnotes without a reference in the text")
            case .endnote: ("endnote without a reference in the text", "endnotes without a reference in the text")
            case .attachment: ("attachment", "attachments")
            case .encryptedPart: ("encrypted part", "encrypted parts")
            }
        }
    }

    private var counts: [Part: Int] = [:]

    subscript(part: Part) -> Int {
        get { counts[part] ?? 0 }
        set { counts[part] = newValue }
    }

    /// Whether a text is more than a page number.
    static func hasWords(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        text.contains { $0.isASCIILetter || $0 >= 0x80 }
    }

    mutating func add(_ other: PartsLeftOut) { counts.merge(other.counts, uniquingKeysWith: +) }

    /// The numbers in one sentence, or nil if nothing is left out.
    var sentence: String? {
        let parts = Part.allCases.filter { self[$0] > 0 }.map {
            "\(self[$0]) \(self[$0] == 1 ? $0.nouns.one : $0.nouns.several)"
        }
        guard let last = parts.last else { return nil }
        let list = parts.count == 1 ? last : parts.dropLast().joined(separator: ", ") + " and " + last
        return "\(list) left out: copy into the text what is to be learned, and drop the file again"
    }
}
