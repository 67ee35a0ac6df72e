import TextReading

/// A kind of file that is not text, or that is written as text without being the text itself, such as RTF.
struct FileKind: Equatable {
    /// What the file is, such as `a PNG picture`.
    let name: String
    /// What to do instead, such as the command that converts it. Nil if there is nothing.
    let advice: String?
    /// Whether the file can be learned unmodified if the folder's configuration says that it is text.
    let isText: Bool

    init(_ name: String, _ advice: String? = nil, isText: Bool = false) {
        self.name = name
        self.advice = advice
        self.isText = isText
    }

    var rejection: RejectionError { RejectionError("is \(name)" + (advice.map { ": \($0)" } ?? "")) }

    /// Number of bytes at the beginning of a file that determine its kind.
    static let headBytes = 64 << 10

    /// Recognizes the kinds for which there is a better answer than libmagic's.
    init?(head: [UInt8], name: String) {
        // Some signatures are words with which a text may begin.
        if Self.looksBinary(head), let found = Self.signatures.first(where: { $0.matches(head) }) {
            self = found.kind
        } else if let found = Self.textual(head, name: name) {
            self = found
        } else {
            return nil
        }
    }

    /// Whether the beginning of a file contains control characters that occur in no text of an encoding whose units are
    /// bytes. ISO-2022 uses ESC, SO and SI; DOS ends texts with SUB; typewriters overstrike with BS.
    static func looksBinary(_ head: [UInt8]) -> Bool {
        let usual: [UInt32] = [0x08, 0x09, 0x0A, 0x0B, 0x0C, 0x0D, 0x0E, 0x0F, 0x1A, 0x1B]
        let unusual = ~usual.reduce(0) { $0 | 1 << $1 }
        return head.contains { $0 < 0x20 && unusual >> UInt32($0) & 1 == 1 }
    }

    /// Whether the file begins with a byte-order mark of UTF-16 or UTF-32.
    static func beginsWithWideMark(_ head: [UInt8]) -> Bool {
        [[0xFF, 0xFE], [0xFE, 0xFF], [0, 0, 0xFE, 0xFF]].contains { head.starts(with: $0) }
    }
}

/// Bytes at a fixed offset that text never contains there.
struct FileSignature {
    let offset: Int
    let bytes: [UInt8]
    let kind: FileKind

    init(_ text: String, at offset: Int = 0, _ kind: FileKind) {
        self.init(Array(text.utf8), at: offset, kind)
    }

    init(_ bytes: [UInt8], at offset: Int = 0, _ kind: FileKind) {
        self.offset = offset
        self.bytes = bytes
        self.kind = kind
    }

    func matches(_ head: [UInt8]) -> Bool {
        head.count >= offset + bytes.count && head[offset...].starts(with: bytes)
    }
}
