import TextReading

/// How much text an archive has of each kind: plain text, and the records of tables. Only one of them can be used.
struct MemberKinds {
    private struct Kind {
        var bytes = 0
        let first: String
    }

    /// Whether the used members are tables, like the first of them; nil before it.
    private(set) var isStructured: Bool?
    private var used: Kind?
    private var other: Kind?

    mutating func use(_ name: String, _ report: ReadingReport) {
        isStructured = report.isStructured
        Self.add(name, report, to: &used)
    }

    /// Accounts for a member that is left out because it is of the other kind.
    mutating func leaveOut(_ name: String, _ report: ReadingReport) { Self.add(name, report, to: &other) }

    /// Rejects an archive of which more than a fifth would be left out because of its kind: the original is removed when
    /// a file is admitted.
    func check() throws {
        guard let used, let other, let isStructured, other.bytes > (used.bytes + other.bytes) / 5 else { return }
        throw RejectionError(
            "contains both \(describe(used, isStructured)) and \(describe(other, !isStructured)): put them into separate "
                + "files")
    }

    private func describe(_ kind: Kind, _ isStructured: Bool) -> String {
        "\(isStructured ? "tables" : "plain text") (\(kind.bytes) bytes, the first in ‘\(MemberLog.shown(kind.first))’)"
    }

    private static func add(_ name: String, _ report: ReadingReport, to kind: inout Kind?) {
        var sum = kind ?? Kind(first: name)
        sum.bytes += report.bytes
        kind = sum
    }
}
