import Synchronization

/// The last lines of a text that arrives line by line, each cut to 1,000 characters.
final class LogTail: Sendable {
    private let limit: Int
    private let kept = Mutex<[String]>([])

    init(limit: Int) {
        self.limit = limit
    }

    var lines: [String] { kept.withLock { $0 } }

    func append(_ line: String) {
        let line = String(line.prefix(1000)).trimmingSuffix { $0.isNewline }
        kept.withLock { lines in
            if lines.count == limit { lines.removeFirst() }
            lines.append(line)
        }
    }
}

extension String {
    fileprivate func trimmingSuffix(while predicate: (Character) -> Bool) -> String {
        var rest = self[...]
        while let last = rest.last, predicate(last) { rest.removeLast() }
        return String(rest)
    }
}
