/// The columns of a table that are read, by their indexes, and what a row becomes.
enum TableColumns: Equatable {
    /// A record of the texts, joined by a space.
    case texts([Int])
    /// A conversation of a user's message, to which the text in `input` belongs, and a reply.
    case exchange(prompt: Int, completion: Int, system: Int? = nil, input: Int? = nil)
    /// A message of a thread, in the order of `ThreadRows.columns`.
    case thread([Int])

    /// All columns; those without which a row is left out come first.
    var all: [Int] {
        switch self {
        case .texts(let columns), .thread(let columns): columns
        case .exchange(let prompt, let completion, let system, let input):
            [prompt, completion] + [system, input].compactMap(\.self)
        }
    }

    /// The columns without which a row is left out.
    var required: [Int] {
        switch self {
        case .texts(let columns): columns
        case .exchange(let prompt, let completion, _, _): [prompt, completion]
        case .thread(let columns): [columns[0]]
        }
    }
}

/// The columns that are asked for.
struct WantedColumns {
    /// The names of the columns, or their numbers from 1.
    let names: [String]
    /// Whether these are a prompt and a completion.
    let isExchange: Bool
    /// Whether these are the columns of messages of threads.
    let isThread: Bool
    /// Whether the user has chosen them.
    let isChosen: Bool

    init(_ options: ReadingOptions, inTable: Bool) {
        isThread = inTable && options.table.hasThreads
        isExchange = !isThread && options.exchange != nil
        names =
            isThread
            ? ThreadRows.columns : options.exchange.map { [$0.prompt, $0.completion] } ?? options.textColumns
        isChosen = isThread || isExchange || options.textColumns != ReadingOptions().textColumns
    }

    /// Returns the columns that a header names, unless it lacks one of them.
    func named(in header: [String]) -> TableColumns? {
        let found = ColumnName.indexes(of: names, in: header).compactMap(\.self)
        if found.count == names.count { return columns(found) }
        guard !isChosen else { return nil }
        for (prompt, input, completion) in Exchange.knownNames {
            let found = ColumnName.indexes(of: [prompt, completion], in: header).compactMap(\.self)
            guard found.count == 2 else { continue }
            return .exchange(
                prompt: found[0], completion: found[1],
                system: ColumnName.indexes(of: Exchange.systemNames, in: header).compactMap(\.self).first,
                input: input.flatMap { ColumnName.indexes(of: [$0], in: header)[0] })
        }
        return nil
    }

    /// - Parameter indexes: one for each name
    func columns(_ indexes: [Int]) -> TableColumns {
        if isThread { return .thread(indexes) }
        return isExchange ? .exchange(prompt: indexes[0], completion: indexes[1]) : .texts(indexes)
    }
}
