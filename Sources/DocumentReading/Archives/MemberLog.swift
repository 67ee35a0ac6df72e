import Durable
import TextReading

/// What became of the members of an archive, including those of archives inside it.
struct MemberLog {
    /// Members that were left out for the same reason.
    private struct LeftOut {
        let reason: String
        let isPartlyUsed: Bool
        var names: [String]
        var count = 1

        var shownNames: String {
            let quoted = names.map { "‘\($0)’" }.joined(separator: ", ")
            return count > names.count ? "\(quoted) and \(count - names.count) more" : quoted
        }
    }

    private static let mostReasons = 8
    private static let mostNames = 3
    private static let longestName = 100

    /// Number of members whose text was taken.
    private(set) var used = 0
    var kinds = MemberKinds()

    private var encodings: [String] = []
    private var leftOut: [LeftOut] = []
    /// Number of members left out for reasons that are not listed.
    private var moreLeftOut = 0
    private var replaced: (bytes: Int, members: Int, first: String) = (0, 0, "")
    private var warnings: [String] = []
    private var moreWarnings = 0
    /// Numbers of members that no user expects to be read, by kind.
    private var ignored: [(what: String, count: Int)] = []

    /// Accounts for a member whose text is taken.
    mutating func use(_ name: String, _ report: ReadingReport) {
        used += 1
        kinds.use(name, report)
        let encoding = report.encoding ?? "UTF-8"
        if !encodings.contains(encoding), encodings.count < 8 { encodings.append(encoding) }
        if report.replacedBytes > 0 {
            if replaced.members == 0 { replaced.first = Self.shown(name) }
            replaced.bytes += report.replacedBytes
            replaced.members += 1
        }
        for warning in report.warnings {
            guard warnings.count < Self.mostReasons else {
                moreWarnings += 1
                continue
            }
            warnings.append("‘\(Self.shown(name))’: \(warning)")
        }
    }

    /// Accounts for a member that cannot be used, or only in part if it is an archive.
    mutating func leaveOut(_ name: String, _ reason: String, isPartlyUsed: Bool) {
        if let index = leftOut.firstIndex(where: { $0.reason == reason && $0.isPartlyUsed == isPartlyUsed }) {
            leftOut[index].count += 1
            if leftOut[index].names.count < Self.mostNames { leftOut[index].names.append(Self.shown(name)) }
        } else if leftOut.count < Self.mostReasons {
            leftOut.append(LeftOut(reason: reason, isPartlyUsed: isPartlyUsed, names: [Self.shown(name)]))
        } else {
            moreLeftOut += 1
        }
    }

    /// Accounts for a member that no user expects to be read, such as a link.
    mutating func ignore(_ what: String) {
        if let index = ignored.firstIndex(where: { $0.what == what }) {
            ignored[index].count += 1
        } else {
            ignored.append((what, 1))
        }
    }

    /// Why the archive cannot be used, if nothing in it can be.
    var reasonForNothing: String {
        if leftOut.isEmpty { return "contains no files" + note }
        let reasons = leftOut.prefix(Self.mostNames).map { "\($0.shownNames) \($0.reason)" }.joined(separator: "; ")
        let rest = leftOut.dropFirst(Self.mostNames).reduce(moreLeftOut) { $0 + $1.count }
        return "contains no file that can be used: \(reasons)" + (rest > 0 ? "; and \(rest) more" : "")
    }

    /// Describes an archive for a report.
    func describe(_ archive: String, to reading: inout CorpusReading) {
        let format = "\(archive) with \(used) \(used == 1 ? "file" : "files")\(note)"
        let shown = encodings.count > 3 ? Array(encodings.prefix(3)) + ["…"] : encodings
        reading.describe(format: format, encoding: encodings == ["UTF-8"] ? nil : shown.joined(separator: ", "))
        // The most important warnings first, so that they are not lost among the others.
        if replaced.members > 0 {
            let files =
                replaced.members == 1 ? "‘\(replaced.first)’" : "\(replaced.members) files such as ‘\(replaced.first)’"
            let bytes =
                replaced.bytes == 1
                ? "1 byte in \(files) is not valid in its encoding and was"
                : "\(replaced.bytes) bytes in \(files) are not valid in their encoding and were"
            reading.warn("\(bytes) replaced by U+FFFD")
        }
        for group in leftOut {
            reading.warn(
                "\(group.shownNames) \(group.isPartlyUsed ? "used only in part" : "left out"): \(group.reason)")
        }
        if moreLeftOut > 0 { reading.warn("\(moreLeftOut) more files left out for other reasons") }
        for warning in warnings.prefix(moreWarnings > 0 ? 5 : 6) { reading.warn(warning) }
        let more = moreWarnings + max(0, warnings.count - (moreWarnings > 0 ? 5 : 6))
        if more > 0 { reading.warn("\(more) more warnings about other files in the archive") }
    }

    private var note: String {
        let counts = ignored.map { ReadingAdvice.count($0.count, $0.what) }
        return counts.isEmpty ? "" : " (ignored: \(counts.joined(separator: ", ")))"
    }

    static func shown(_ name: String) -> String {
        name.isEmpty ? "(no name)" : RawPath.printable(name.boundedInTheMiddle(toBytes: longestName))
    }
}
