import Jobs
import Tokenizers

/// Converts tokenized samples to rows of at most `blockSize` tokens, as training and `hf_check.py` use them.
///
/// - `mlm`: the tokens in pieces of `blockSize` − 2, each as `<s> tokens </s>`. With `truncates`, the first row only.
/// - `clm`: the tokens and `</s>`, split into pieces of `blockSize` − 1, each preceded by `<s>`.
/// - `packed`: see `PackedRows`.
/// - conversations: see `ConversationRows`; each row begins with `<s>`.
struct TokenRows {
    /// Number of tokens of samples that are in no row, because they were truncated.
    private(set) var truncatedTokens = 0
    private let objective: Objective
    private let blockSize: Int
    private let truncates: Bool
    private var packed: PackedRows?
    /// Tokens of the current text that fill no row yet.
    private var open: [Int32] = []
    private var isOpen = false
    private let conversations: ConversationRows?
    private static let bos = SpecialToken.bos.rawValue
    private static let eos = SpecialToken.eos.rawValue

    init(_ source: ShardSource, _ markers: ConversationMarkers?) {
        self.init(
            objective: source.objective, unit: source.unit, blockSize: source.blockSize, truncates: source.truncates,
            markers: markers)
    }

    init(
        objective: Objective, unit: SampleUnit, blockSize: Int, truncates: Bool, markers: ConversationMarkers? = nil
    ) {
        conversations = markers.map { ConversationRows(markers: $0, room: blockSize - 1) }
        self.objective = objective
        self.blockSize = blockSize
        self.truncates = TokenRows.endsUnits(truncates: truncates, objective, unit)
        if unit == .packed { packed = PackedRows(objective: objective, blockSize: blockSize) }
    }

    /// Whether a unit ends with its first row, so that the rest of its text is in none: with `truncates`, for masked
    /// models, unless units are packed.
    static func endsUnits(truncates: Bool, _ objective: Objective, _ unit: SampleUnit) -> Bool {
        truncates && objective == .mlm && unit != .packed
    }

    /// Appends a sample and returns the rows that are complete.
    /// - Parameter continues: whether the sample continues the text of the previous one
    mutating func append(_ tokens: [Int32], continues: Bool = false) -> [[Int32]] {
        var rows = continues ? [] : close()
        isOpen = true
        if packed != nil { return rows + packed!.append(tokens) }
        if truncates {
            let room = continues ? 0 : blockSize - 2
            truncatedTokens += max(0, tokens.count - room)
            open += tokens.prefix(room)
            return rows
        }
        open += tokens
        let room = objective == .mlm ? blockSize - 2 : blockSize - 1
        var start = 0
        while open.count - start >= room {
            rows.append(row(open[start..<start + room]))
            start += room
        }
        open.removeFirst(start)
        return rows
    }

    /// Appends a sample and returns the rows that are complete.
    mutating func append(_ sample: TokenizedSample, continues: Bool = false) -> [[Int32]] {
        guard sample.isConversation, let conversations else { return append(sample.tokens, continues: continues) }
        let (rows, omittedTokens) = conversations.rows(sample.tokens)
        truncatedTokens += omittedTokens
        return close() + rows.map { [TokenRows.bos] + $0 }
    }

    /// Returns the remaining rows after the last sample.
    mutating func finish() -> [[Int32]] { close() + (packed?.finish() ?? []) }

    /// Whether the next row also holds text that was appended before. Only packed rows hold several texts.
    var hasOpenRow: Bool { packed?.hasOpenRow ?? isOpen }

    /// Ends the current text and returns the rows that are complete. The next sample must not continue it.
    mutating func close() -> [[Int32]] {
        guard isOpen else { return [] }
        defer { (open, isOpen) = ([], false) }
        if packed != nil { return packed!.endText() }
        switch objective {
        case .mlm: return open.isEmpty ? [] : [row(open[...])]
        case .clm: return [row((open + [TokenRows.eos])[...])]
        }
    }

    private func row(_ tokens: ArraySlice<Int32>) -> [Int32] {
        [TokenRows.bos] + tokens + (objective == .mlm ? [TokenRows.eos] : [])
    }
}
