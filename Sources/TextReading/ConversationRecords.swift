import Conversations

/// Reads JSON whose objects are conversations: on lines of their own, or in one array. Each becomes a line in the stored
/// form of `Conversation`.
///
/// Memory is bounded by one object.
struct ConversationRecords: RecordReader {
    private(set) var documents = 0
    private(set) var warnings: [String] = []
    private let limit: Int
    private let layout: JSONScanner.Layout
    private var scanner: JSONScanner
    /// The object that is being read, as far as it has been.
    private var object: [UInt8] = []

    private var objects = 0
    private var replies = 0
    private var omittedMessages = 0
    private var withoutConversation = RowCount()
    private var withoutReply = RowCount()
    private var withoutQuestion = RowCount()
    private var messagesWithOtherParts = 0
    private var replacements = 0
    private var tooLong = RowCount()

    /// Maximum size in bytes of a stored conversation, which is tokenized as a whole.
    static let mostBytes = 1 << 20

    init(_ layout: JSONScanner.Layout, limit: Int) {
        self.layout = layout
        self.limit = limit
        scanner = ConversationRecords.scanner(layout)
    }

    private static func scanner(_ layout: JSONScanner.Layout) -> JSONScanner {
        var scanner = JSONScanner(JSONPaths([]), layout)
        scanner.isOutlining = false
        return scanner
    }

    /// Number of objects from which it is decided whether the file has conversations.
    private static let examinedObjects = 16

    /// Returns where the conversations are, if at least a quarter of the first objects of a file are conversations and have no text
    /// of their own.
    /// - Parameters:
    ///   - sample: the beginning of the file
    ///   - fields: the fields in which an object would have a text
    static func layout(of sample: ArraySlice<UInt8>, fields: [String]) -> JSONScanner.Layout? {
        guard let start = sample.firstIndex(where: { !JSONSequence.isSpace($0) }) else { return nil }
        let layout: JSONScanner.Layout = sample[start] == UInt8(ascii: "[") ? .array : .lines
        var texts = JSONScanner(JSONPaths(fields), layout)
        var (examined, found) = (0, 0)
        sample.withUnsafeBufferPointer { bytes in
            var index = 0
            while examined < examinedObjects {
                guard let isComplete = try? texts.scan(bytes, &index), isComplete || examined == 0,
                    texts.kind == .object
                else { break }
                examined += 1
                let object = Array(bytes[max(0, index - texts.recordBytes)..<index])
                // Exports of chats have messages in other forms.
                guard !texts.values.contains(.string), let shape = ConversationShape(object: object),
                    !shape.conversation.turns.isEmpty
                else { continue }
                found += 1
                if !isComplete { break }
            }
        }
        return found > 0 && 4 * found >= examined ? layout : nil
    }

    var formatDescription: String {
        let form = layout == .array ? "JSON array" : "JSON lines"
        return "\(form), \(ReadingAdvice.count(documents, "conversation")) with "
            + (replies == 1 ? "1 reply" : "\(replies) replies")
    }

    mutating func append(_ bytes: [UInt8], to output: inout [UInt8]) throws {
        try bytes.withUnsafeBufferPointer { bytes in
            var index = 0
            while true {
                let first = index
                let isComplete: Bool
                do throws(JSONScanner.Failure) { isComplete = try scanner.scan(bytes, &index) } catch {
                    throw scanner.reason(error)
                }
                guard scanner.recordBytes <= limit else {
                    throw lineLimitReason("the object", line: scanner.recordLine, limit)
                }
                if isComplete || scanner.isInRecord { object += bytes[first..<index] }
                guard isComplete else { break }
                take(to: &output)
            }
        }
    }

    mutating func finish(to output: inout [UInt8]) throws {
        do throws(JSONScanner.Failure) { _ = try scanner.finish() } catch {
            throw scanner.endReason
        }
        try settle()
    }

    private mutating func take(to output: inout [UInt8]) {
        objects += 1
        defer { object.removeAll(keepingCapacity: true) }
        let line = scanner.recordLine
        guard let shape = ConversationShape(object: Array(object.suffix(scanner.recordBytes))) else {
            return withoutConversation.add(line: line)
        }
        omittedMessages += shape.omittedMessages
        messagesWithOtherParts += shape.messagesWithOtherParts
        replacements += shape.replacements
        guard !shape.lacksQuestion else { return withoutQuestion.add(line: line) }
        guard shape.conversation.hasReply else { return withoutReply.add(line: line) }
        let stored = shape.conversation.line
        guard stored.count <= Self.mostBytes else { return tooLong.add(line: line) }
        output += stored
        output.append(UInt8(ascii: "\n"))
        documents += 1
        replies += shape.conversation.turns.count { $0.role == .assistant }
    }

    private mutating func settle() throws {
        let kinds = [
            (
                withoutConversation,
                "are no conversations (messages with role and content, conversations with from and value, "
                    + Exchange.knownNames.map { "\($0.prompt) and \($0.completion)" }.joined(separator: ", ") + ")"
            ),
            (withoutReply, "have no message of the assistant"),
            (withoutQuestion, "have a message of the user without text, such as a picture"),
            (tooLong, "have more than \(Self.mostBytes >> 20) MiB"),
        ].filter { $0.0.count > 0 }
        let missing = objects - documents
        if missing > 0 {
            let parts = kinds.map { "\($0.0.count) \($0.1), the first on line \($0.0.firstLine)" }
            let sentence = "of \(objects) objects, " + parts.joined(separator: "; ")
            guard !RowCount.isTooMuch(missing, of: objects) else { throw RejectionError(sentence) }
            warnings.append(sentence + ": they were left out")
        }
        if messagesWithOtherParts > 0 {
            warnings.append(
                "\(ReadingAdvice.count(messagesWithOtherParts, "message")) with parts other than text, such as pictures, which were "
                    + "left out")
        }
        if replacements > 0 {
            warnings.append(ReadingAdvice.replaced(replacements))
        }
        if omittedMessages > 0 {
            warnings.append(
                "\(ReadingAdvice.count(omittedMessages, "message")) of other roles than system, user and assistant, or without "
                    + "text, left out")
        }
    }
}
