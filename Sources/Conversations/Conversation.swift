import FoundationEssentials

/// Messages that answer each other, in order.
///
/// A corpus of conversations is stored with one conversation per line, in the form that the fine-tuning of other programs
/// reads: `{"messages":[{"role":"user","content":"…"},{"role":"assistant","content":"…"}]}`.
public struct Conversation: Sendable, Equatable {
    public enum Role: String, Codable, Sendable, CaseIterable {
        /// What holds for the whole conversation.
        case system
        case user
        /// The replies, which a model learns.
        case assistant
    }

    public struct Turn: Sendable, Equatable, Codable {
        public var role: Role
        public var content: String
        /// Whether the message is context that is learned in another conversation of the corpus. Its loose text is there.
        public var isRepeated: Bool

        public init(_ role: Role, _ content: String, isRepeated: Bool = false) {
            self.role = role
            self.content = content
            self.isRepeated = isRepeated
        }

        private enum CodingKeys: String, CodingKey {
            case role, content
            case isRepeated = "repeated"
        }

        public init(from decoder: any Decoder) throws {
            let turn = try decoder.container(keyedBy: CodingKeys.self)
            role = try turn.decode(Role.self, forKey: .role)
            content = try turn.decode(String.self, forKey: .content)
            isRepeated = try turn.decodeIfPresent(Bool.self, forKey: .isRepeated) ?? false
        }
    }

    public var turns: [Turn]

    public init(_ turns: [Turn]) { self.turns = turns }

    /// Removes white space around messages, leaves out those without text, and joins consecutive ones of the same role. NUL,
    /// which corpora do not contain, becomes U+FFFD.
    public init(normalizing messages: some Sequence<Turn>) {
        turns = []
        for message in messages {
            let content = message.content.trimmed
            guard !content.isEmpty else { continue }
            if let last = turns.last, last.role == message.role {
                turns[turns.count - 1].content += "\n" + content
            } else {
                turns.append(Turn(message.role, content))
            }
        }
    }

    /// Whether a reply can be learned from it.
    public var hasReply: Bool { turns.contains { $0.role == .assistant } }

    /// The contents of all messages as loose text, one after the other, without repeated ones.
    public var text: String { turns.filter { !$0.isRepeated }.map(\.content).joined(separator: "\n") }

    // MARK: The stored form

    private static let start = #"{"messages":[{"role":""#

    /// Whether a line begins like a stored conversation.
    public static func isLikely(_ line: some Collection<UInt8>) -> Bool { line.starts(with: start.utf8) }

    /// Parses a stored conversation.
    /// - Parameter line: UTF-8; nil is returned for anything else than what `line` gives
    public init?(line: [UInt8]) {
        guard Conversation.isLikely(line),
            let stored = try? JSONDecoder().decode(Stored.self, from: Data(line)), !stored.messages.isEmpty
        else { return nil }
        turns = stored.messages
    }

    private struct Stored: Codable { var messages: [Turn] }

    /// The stored form, in UTF-8, without the line end.
    public var line: [UInt8] {
        var line = Array(#"{"messages":["#.utf8)
        for (index, turn) in turns.enumerated() {
            if index > 0 { line.append(UInt8(ascii: ",")) }
            line += Array(#"{"role":"\#(turn.role.rawValue)","content":""#.utf8)
            for byte in turn.content.utf8 {
                switch byte {
                case UInt8(ascii: "\""), UInt8(ascii: "\\"): line += [UInt8(ascii: "\\"), byte]
                case UInt8(ascii: "\n"): line += Array(#"\n"#.utf8)
                case 0..<0x20:
                    let digits = String(byte, radix: 16)
                    line += Array((byte < 0x10 ? #"\u000"# : #"\u00"#).utf8) + Array(digits.utf8)
                default: line.append(byte)
                }
            }
            line += Array((turn.isRepeated ? #"","repeated":true}"# : #""}"#).utf8)
        }
        return line + Array("]}".utf8)
    }
}

extension String {
    /// The text without white space at its ends, and with U+FFFD for NUL, which corpora do not contain.
    package var trimmed: String {
        let isSpace = { (scalar: Unicode.Scalar) in scalar.properties.isWhitespace }
        let scalars = unicodeScalars
        guard let first = scalars.firstIndex(where: { !isSpace($0) }),
            let last = scalars.lastIndex(where: { !isSpace($0) })
        else { return "" }
        var text = String.UnicodeScalarView()
        for scalar in scalars[first...last] { text.append(scalar.value == 0 ? "\u{FFFD}" : scalar) }
        return String(text)
    }
}
