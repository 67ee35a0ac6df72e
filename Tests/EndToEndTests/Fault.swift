import Foundation

/// One change of a file that a program makes, which is made to fail: see `Tests/Faults/faults.c`.
struct Fault: CustomStringConvertible {
    enum How: String, CaseIterable, Sendable {
        case failure = "EIO"
        case fullDisk = "ENOSPC"
        case death = "die"
        case tornWrite = "torn"
    }

    /// `KANTAIBERT_TEST_FAULT=EIO` tries this kind alone, `EIO:138` this kind at operation 138.
    private static let wish = ProcessInfo.processInfo.environment["KANTAIBERT_TEST_FAULT"]?.split(separator: ":") ?? []
    static let kinds = wish.first.flatMap { How(rawValue: String($0)) }.map { [$0] } ?? How.allCases
    private static let asked = wish.dropFirst().first.flatMap { Int($0) }

    var program: String
    /// From 1.
    var number: Int
    var how: How

    var description: String { "\(how.rawValue) at operation \(number) of \(program)" }

    /// The variables that make it happen, once, to a file below `folder`.
    func environment(below folder: String) -> [String: String] {
        Fault.preloading(program, below: folder).merging([
            "FAULT_AT": "\(number)", "FAULT_HOW": how.rawValue, "FAULT_MARK": Fault.mark(folder),
        ]) { $1 }
    }

    /// Whether it has happened; it does not where a program does fewer operations this time.
    static func hasHappened(below folder: String) -> Bool { FileManager.default.fileExists(atPath: mark(folder)) }

    static func forget(below folder: String) { try? FileManager.default.removeItem(atPath: mark(folder)) }

    // Beside the folder, not in it.
    private static func mark(_ folder: String) -> String { folder + ".fault" }

    private static func preloading(_ program: String, below folder: String) -> [String: String] {
        ["LD_PRELOAD": "\(Programs.folder)/libFaults.so", "FAULT_PROGRAM": program, "FAULT_ROOT": folder]
    }

    /// The variables that have a program's operations written down, without a fault.
    static func tracing(_ program: String, below folder: String, to trace: String) -> [String: String] {
        preloading(program, below: folder).merging(["FAULT_TRACE": trace]) { $1 }
    }

    /// Which of `numbers` are tried: all of them, or so many, spread evenly, or the one that is asked for.
    static func sample(_ numbers: [Int], _ count: Int?, _ random: inout SplitMix64) -> [Int] {
        if let asked { return [asked] }
        guard let count, count < numbers.count else { return numbers }
        return (0..<count).map { part in
            let (from, to) = (part * numbers.count / count, (part + 1) * numbers.count / count)
            return numbers[.random(in: from..<to, using: &random)]
        }
    }
}

/// What a program did to files, in order, as `FAULT_TRACE` has it.
struct Trace {
    struct Operation {
        var number: Int
        var name: String
        var succeeded: Bool
        var path: String
        /// Where a file is renamed to, or what a link points to.
        var second: String
    }

    let operations: [Operation]

    init(path: String) throws {
        operations = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map { line in
            let fields = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
            return Operation(
                number: Int(fields[1]) ?? 0, name: fields[2], succeeded: fields[3] == "0", path: fields[4],
                second: fields[5])
        }
    }

    func numbers(for how: Fault.How) -> [Int] {
        operations.filter { how != .tornWrite || $0.name == "write" }.map(\.number)
    }

    /// The place of the first operation, after another's, that is such a one.
    func index(after place: Int = -1, _ isWanted: (Operation) -> Bool) -> Int? {
        operations.indices.first { $0 > place && operations[$0].succeeded && isWanted(operations[$0]) }
    }

    /// What a power cut could undo or tear although the program went on as if it were done: files that got a name before
    /// their bytes were forced to the disk, and names that were not forced to it at all.
    ///
    /// - Parameter isLeftOut: files with a discipline of their own (SQLite's), or of no use after a power cut (a lock)
    func unforced(leavingOut isLeftOut: (String) -> Bool) -> [String] {
        var flaws: [String] = []
        var unsynced: Set<String> = []
        var unnamed: Set<String> = []
        for operation in operations where operation.succeeded && !isLeftOut(operation.path) {
            let path = operation.path
            switch operation.name {
            case "write", "truncate": unsynced.insert(path)
            case "fsync":
                unsynced.remove(path)
                unnamed = unnamed.filter { folder(of: $0) != path }
            case "open", "mkdir", "symlink", "link": unnamed.insert(path)
            case "rename":
                let torn = unsynced.filter { $0 == path || $0.hasPrefix(path + "/") }.sorted()
                flaws += torn.map { "\($0) is renamed before its bytes are forced to the disk" }
                let below = unnamed.filter { $0.hasPrefix(path + "/") }.sorted()
                flaws += below.map { "\($0) is renamed before its name is forced to the disk" }
                unsynced.subtract(torn)
                unnamed.subtract(below)
                unnamed.remove(path)
                unnamed.insert(operation.second)
            case "unlink", "rmdir":
                unsynced.remove(path)
                unnamed.remove(path)
            default: flaws.append("an unknown operation \(operation.name)")
            }
        }
        return flaws + unsynced.sorted().map { "\($0) is never forced to the disk" }
            + unnamed.sorted().map { "the name \($0) is never forced to the disk" }
    }

    private func folder(of path: String) -> String {
        path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
    }
}
