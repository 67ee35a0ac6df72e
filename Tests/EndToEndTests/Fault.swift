import Foundation

/// An injected fault: one file operation of a program that fails. See `Tests/Faults/faults.c`.
struct Fault: CustomStringConvertible {
    enum How: String, CaseIterable, Sendable {
        case failure = "EIO"
        case fullDisk = "ENOSPC"
        case crash = "die"
        case tornWrite = "torn"
    }

    /// `KANTAIBERT_TEST_FAULT=EIO` selects one kind of fault, `EIO:138` one kind at operation 138.
    private static let wish = ProcessInfo.processInfo.environment["KANTAIBERT_TEST_FAULT"]?.split(separator: ":") ?? []
    static let kinds = wish.first.flatMap { How(rawValue: String($0)) }.map { [$0] } ?? How.allCases
    private static let asked = wish.dropFirst().first.flatMap { Int($0) }

    var program: String
    /// The number of the operation, from 1.
    var number: Int
    var how: How

    var description: String { "\(how.rawValue) at operation \(number) of \(program)" }

    /// Returns the environment variables that inject the fault once, for a file below `folder`.
    func environment(below folder: String) -> [String: String] {
        Fault.preloading(program, below: folder).merging([
            "FAULT_AT": "\(number)", "FAULT_HOW": how.rawValue, "FAULT_MARK": Fault.mark(folder),
        ]) { $1 }
    }

    /// Whether the fault was injected. It is not if the program performs fewer operations in this run.
    static func hasHappened(below folder: String) -> Bool { FileManager.default.fileExists(atPath: mark(folder)) }

    static func forget(below folder: String) { try? FileManager.default.removeItem(atPath: mark(folder)) }

    // The mark is next to the folder, not in it.
    private static func mark(_ folder: String) -> String { folder + ".fault" }

    private static func preloading(_ program: String, below folder: String) -> [String: String] {
        ["LD_PRELOAD": "\(Programs.folder)/libFaults.so", "FAULT_PROGRAM": program, "FAULT_ROOT": folder]
    }

    /// Returns the environment variables that record a program's file operations without a fault.
    static func tracing(_ program: String, below folder: String, to trace: String) -> [String: String] {
        preloading(program, below: folder).merging(["FAULT_TRACE": trace]) { $1 }
    }

    /// Returns the operations to test: all, `count` evenly spread ones, or the one selected
    /// by the environment variable.
    static func sample(_ numbers: [Int], _ count: Int?, _ random: inout SplitMix64) -> [Int] {
        if let asked { return [asked] }
        guard let count, count < numbers.count else { return numbers }
        return (0..<count).map { part in
            let (from, to) = (part * numbers.count / count, (part + 1) * numbers.count / count)
            return numbers[.random(in: from..<to, using: &random)]
        }
    }
}

/// The file operations of a program in order, read from `FAULT_TRACE`.
struct Trace {
    struct Operation {
        var number: Int
        var name: String
        var succeeded: Bool
        var path: String
        /// The new name of a renamed file, or the target of a link.
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

    /// Returns the index of the first successful operation after `place` that satisfies `isWanted`.
    func index(after place: Int = -1, _ isWanted: (Operation) -> Bool) -> Int? {
        operations.indices.first { $0 > place && operations[$0].succeeded && isWanted(operations[$0]) }
    }

    /// Returns operations that a power failure could undo or tear after the program relied on them: files that were
    /// renamed before their contents were synced, and names that were never synced.
    ///
    /// - Parameter isLeftOut: files with their own syncing (SQLite), or irrelevant after a power failure (a lock)
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
            case "syncfs":
                unsynced = []
                unnamed = []
            case "open", "mkdir", "symlink", "link": unnamed.insert(path)
            case "rename":
                let torn = unsynced.filter { $0 == path || $0.hasPrefix(path + "/") }.sorted()
                flaws += torn.map { "\($0) is renamed before its contents are synced" }
                let below = unnamed.filter { $0.hasPrefix(path + "/") }.sorted()
                flaws += below.map { "\($0) is renamed before its name is synced" }
                unsynced.subtract(torn)
                unnamed.subtract(below)
                unnamed.remove(path)
                unnamed.insert(operation.second)
            case "unlink", "rmdir":
                unsynced.remove(path)
                unnamed.remove(path)
            default: flaws.append("unknown operation \(operation.name)")
            }
        }
        return flaws + unsynced.sorted().map { "\($0) is never synced" }
            + unnamed.sorted().map { "the name \($0) is never synced" }
    }

    private func folder(of path: String) -> String {
        path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
    }
}
