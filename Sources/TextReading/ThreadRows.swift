import Conversations
import Crypto

/// Puts the rows of a table of messages together to conversations: replies to a message follow it. See `ThreadTable` for
/// messages with several replies.
///
/// A branch that begins with a reply of the company repeats the customer's message before it, and so does a conversation
/// that continues one that has become too long.
///
/// Memory is bounded by the number of rows that are put together; the texts are in a spool.
struct ThreadRows {
    /// The names of the columns.
    static let columns = ["text", "tweet_id", "in_response_to_tweet_id", "inbound", "author_id"]
    /// Number of messages in a conversation.
    static let mostMessages = 1000
    /// Number of messages among which the customer's message before a reply is searched.
    private static let mostSkipped = 16
    /// Size of repeated messages beyond that of the others, in bytes.
    private static let freeRepetition = 1 << 20
    private static let spooledAtOnce = 64 << 10

    private(set) var conversations = 0
    private let mostRows: Int
    private let makeSpool: () throws -> any TextSpool
    private var spool: (any TextSpool)?
    /// Text that is not in the spool yet.
    private var unwritten: [UInt8] = []
    private var table = ThreadTable()
    /// For each row, the end of its text in the spool, doubled; 1 is added for a customer's message.
    private var ends: [Int] = []
    private var isConnected = false
    /// The message with which a conversation that was divided continues.
    private var continuation: Int?

    private var surplus = RowCount()
    private var unknownRoles = RowCount()
    private var withoutReply = 0
    private var branches = 0
    private var divided = 0
    private var withoutPrompt = 0
    private var storedBytes = 0
    private var repeatedBytes = 0

    /// - Parameter mostRows: number of rows that are put together; each further one is a conversation of its own
    init(mostRows: Int, makeSpool: @escaping () throws -> any TextSpool) {
        self.mostRows = mostRows
        self.makeSpool = makeSpool
    }

    // MARK: Rows

    /// Adds a message.
    /// - Parameters:
    ///   - record: the text, as a stored record without its line end
    ///   - inbound: whether a customer wrote it, as in the table
    /// - Returns: false if it is too long for a conversation
    mutating func add(
        _ record: ArraySlice<UInt8>, id: [UInt8], answering parent: [UInt8], inbound: [UInt8], line: Int,
        to output: inout [UInt8]
    ) throws -> Bool {
        let role = Self.role(inbound)
        let turn = Conversation.Turn(role ?? .user, String(decoding: record, as: UTF8.self))
        let stored = Conversation([turn]).line
        guard stored.count <= ConversationRecords.mostBytes else { return false }
        if role == nil { unknownRoles.add(line: line) }
        guard table.count < mostRows else {
            surplus.add(line: line)
            conversations += 1
            if turn.role == .user { withoutReply += 1 }
            output += stored
            output.append(UInt8(ascii: "\n"))
            return true
        }
        table.add(id: Self.number(id), answering: Self.number(parent))
        ends.append((ends.last ?? 0) / 2 * 2 + 2 * record.count + (turn.role == .user ? 1 : 0))
        unwritten += record
        if unwritten.count >= Self.spooledAtOnce { try write() }
        return true
    }

    private static func role(_ inbound: [UInt8]) -> Conversation.Role? {
        switch String(decoding: inbound.prefix(8), as: UTF8.self).lowercased() {
        case "true", "t", "1", "yes": .user
        case "false", "f", "0", "no": .assistant
        default: nil
        }
    }

    /// Returns the number by which an id is compared: its value, or a hash with the highest bit set.
    private static func number(_ id: [UInt8]) -> UInt64 {
        guard !MissingValue.isMark(id) else { return ThreadTable.none }
        // Programs write whole numbers as 8.0 if some of them are missing.
        let digits = id.suffix(2) == Array(".0".utf8) ? id.dropLast(2) : id[...]
        if digits.count <= 18, digits.first != UInt8(ascii: "0"),
            digits.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
            let value = UInt64(String(decoding: digits, as: UTF8.self))
        {
            return value
        }
        let hash = SHA256.hash(data: id).prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
        return min(hash | 1 << 63, ThreadTable.none - 1)
    }

    private mutating func write() throws {
        if spool == nil { spool = try makeSpool() }
        try unwritten.withUnsafeBytes { try spool!.append($0) }
        unwritten.removeAll(keepingCapacity: true)
    }

    // MARK: Conversations

    /// Appends conversations after the last row was added.
    /// - Returns: false if there are no more
    mutating func proceed(to output: inout [UInt8]) throws -> Bool {
        if !isConnected {
            if !unwritten.isEmpty { try write() }
            table.connect()
            isConnected = true
        }
        while output.count < Self.spooledAtOnce {
            guard let start = continuation ?? table.nextStart() else {
                spool = nil
                return false
            }
            try store(start, to: &output)
        }
        return true
    }

    private mutating func store(_ start: Int, to output: inout [UInt8]) throws {
        if continuation == nil, table.parent(of: start) != nil { branches += 1 }
        continuation = nil
        var turns: [Conversation.Turn] = []
        var bytes = 0
        var messages = 0
        if role(of: start) == .assistant, let prompt = prompt(before: start) {
            let size = size(of: prompt)
            if repeatedBytes + size <= storedBytes + Self.freeRepetition, size <= ConversationRecords.mostBytes / 8 {
                repeatedBytes += size
                turns.append(.init(.user, try text(of: prompt), isRepeated: true))
                bytes = Conversation(turns).line.count
            } else {
                withoutPrompt += 1
            }
        }
        var next: Int? = start
        while let message = next {
            let turn = Conversation.Turn(role(of: message), try text(of: message))
            let size = Conversation([turn]).line.count
            guard messages == 0 || messages < Self.mostMessages && bytes + size <= ConversationRecords.mostBytes else {
                divided += 1
                continuation = message
                break
            }
            if bytes + size > ConversationRecords.mostBytes {
                turns = []
                withoutPrompt += 1
            }
            turns.append(turn)
            messages += 1
            bytes += size
            storedBytes += self.size(of: message)
            next = table.reply(to: message)
        }
        let conversation = Conversation(turns)
        if !conversation.hasReply { withoutReply += 1 }
        output += conversation.line
        output.append(UInt8(ascii: "\n"))
        conversations += 1
    }

    /// Returns the customer's message that a reply follows.
    private func prompt(before reply: Int) -> Int? {
        var next = table.parent(of: reply)
        for _ in 0..<Self.mostSkipped {
            guard let message = next else { return nil }
            if role(of: message) == .user { return message }
            next = table.parent(of: message)
        }
        return nil
    }

    private func role(of message: Int) -> Conversation.Role { ends[message] & 1 == 1 ? .user : .assistant }

    private func start(of message: Int) -> Int { message == 0 ? 0 : ends[message - 1] / 2 }

    private func size(of message: Int) -> Int { ends[message] / 2 - start(of: message) }

    private func text(of message: Int) throws -> String {
        var bytes = [UInt8](repeating: 0, count: size(of: message))
        try bytes.withUnsafeMutableBytes { try spool!.read(at: start(of: message), into: $0) }
        return String(decoding: bytes, as: UTF8.self)
    }

    // MARK: Result

    /// Throws if the roles of too many messages are unknown.
    func check(rows: Int) throws {
        guard unknownRoles.isTooMuch(of: rows) else { return }
        throw RejectionError(
            unknownRolesSentence(rows)
                + ". Write True for the customer's messages and False for the company's, or remove threads from .kbconfig.yaml"
        )
    }

    /// Describes what was found, after the last conversation.
    func warnings(rows: Int) -> [String] {
        let count = ReadingAdvice.count
        var sentences: [String] = []
        if unknownRoles.count > 0 {
            sentences.append(unknownRolesSentence(rows) + ": they were taken for messages of the customer")
        }
        if withoutReply > 0 {
            sentences.append(
                "\(withoutReply) of \(count(conversations, "conversation")) have no message of the company: a causal model "
                    + "learns nothing from them")
        }
        if branches > 0 {
            sentences.append(
                "\(branches) of \(rows) rows answer a message that has another reply with a longer thread: each is the beginning "
                    + "of a conversation")
        }
        if table.missing > 0 {
            sentences.append(
                "\(table.missing) of \(rows) rows answer a message that is not in the table: each is the beginning of a "
                    + "conversation")
        }
        if table.duplicates > 0 {
            sentences.append(
                "\(table.duplicates) of \(rows) rows have the tweet_id of an earlier row: each is a conversation of its own"
            )
        }
        if table.circular > 0 {
            sentences.append(
                "\(table.circular) of \(rows) rows answer themselves or one of their own replies: each is the beginning of a "
                    + "conversation")
        }
        if divided > 0 {
            sentences.append(
                "conversations of more than \(Self.mostMessages) messages or \(ConversationRecords.mostBytes >> 20) MiB were "
                    + "divided in \(count(divided, "place"))")
        }
        if withoutPrompt > 0 {
            sentences.append(
                "\(count(withoutPrompt, "conversation")) without the customer's message before, because that would have "
                    + "repeated too much text")
        }
        if surplus.count > 0 {
            sentences.append(
                "\(count(surplus.count, "row")) after the first \(mostRows), from line \(surplus.firstLine), not put together: "
                    + "each is a conversation of its own. Divide the file at the end of a thread")
        }
        return sentences
    }

    private func unknownRolesSentence(_ rows: Int) -> String {
        "\(unknownRoles.count) of \(rows) rows have neither True nor False in column ‘inbound’, the first on line "
            + "\(unknownRoles.firstLine)"
    }
}
