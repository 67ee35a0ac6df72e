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

        public init(_ role: Role, _ content: String) {
            self.role = role
            self.content = content
        }
    }

    public var turns: [Turn]

    public init(_ turns: [Turn]) { self.turns = turns }

    /// Whether a reply can be learned from it.
    public var hasReply: Bool { turns.contains { $0.role == .assistant } }

    /// The contents of all messages as loose text, one after the other.
    public var text: String { turns.map(\.content).joined(separator: "\n") }

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
            line += Array(#""}"#.utf8)
        }
        return line + Array("]}".utf8)
    }
}
