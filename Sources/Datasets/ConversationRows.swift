import Tokenizers

/// Divides the tokens of a conversation into rows: as many whole exchanges, a message of the user and its reply, as fit.
///
/// An exchange that is longer than a row continues in further rows, and a message that continues begins with the marker of its
/// role again, so that each token of a reply is learned once. Rows without a reply are left out: nothing in them is learned.
struct ConversationRows {
    let markers: ConversationMarkers
    /// Maximum number of tokens in a row, without `<s>`.
    let room: Int

    /// - Parameter tokens: messages with their markers
    /// - Returns: the rows without `<s>`, and the number of tokens that are in none
    func rows(_ tokens: [Int32]) -> (rows: [[Int32]], omittedTokens: Int) {
        var rows: [[Int32]] = []
        var row: [Int32] = []
        for exchange in exchanges(tokens) {
            if row.count + exchange.count > room, !row.isEmpty {
                rows.append(row)
                row = []
            }
            var role: Int32?
            for token in exchange {
                if row.count == room {
                    rows.append(row)
                    row = role.map { [$0] } ?? []
                }
                if token == markers.end { role = nil } else if markers.ids.contains(token) { role = token }
                row.append(token)
            }
        }
        if !row.isEmpty { rows.append(row) }
        let learned = rows.filter { $0.dropLast().contains(markers.assistant) }
        return (learned, rows.reduce(0) { $0 + $1.count } - learned.reduce(0) { $0 + $1.count })
    }

    /// Divides a conversation before each message that follows a reply.
    private func exchanges(_ tokens: [Int32]) -> [ArraySlice<Int32>] {
        var exchanges: [ArraySlice<Int32>] = []
        var start = 0
        var isAfterReply = false
        for (place, token) in tokens.enumerated() where markers.ids.contains(token) && token != markers.end {
            if isAfterReply, token != markers.assistant {
                exchanges.append(tokens[start..<place])
                start = place
            }
            isAfterReply = token == markers.assistant
        }
        exchanges.append(tokens[start...])
        return exchanges
    }
}
