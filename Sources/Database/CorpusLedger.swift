import Durable
import FoundationEssentials
import Glibc
import Synchronization

/// `corpora.jsonl` next to the database: one line per received file, written and synced to disk before the file is
/// recorded in the database. If the database is lost, the ledger shows which corpora feed which model.
public final class CorpusLedger: Sendable {
    public let path: String
    private let writing = Mutex(())

    /// - Parameter database: the path of the database
    init(beside database: String) {
        path = (database.lastIndex(of: "/").map { database[...$0] } ?? "") + "corpora.jsonl"
    }

    package var exists: Bool { access(path, F_OK) == 0 }

    func append(_ records: [CorpusRecord]) throws {
        let text = try Self.lines(records)
        try writing.withLock { _ in try append(text) }
    }

    /// Writes a new ledger atomically: an incomplete one would not be completed at the next start.
    fileprivate func create(_ records: [CorpusRecord]) throws {
        let text = try Self.lines(records)
        try writing.withLock { _ in try Durable.write(text, to: path) }
    }

    private static func lines(_ records: [CorpusRecord]) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.dateEncodingStrategy = .iso8601
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return try records.flatMap { try encoder.encode($0) + [UInt8(ascii: "\n")] }
    }

    private func append(_ text: [UInt8]) throws {
        let isNew = !exists
        let descriptor = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw DurableError(operation: "open", path: path, errno: errno) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw DurableError(operation: "fstat", path: path, errno: errno) }
        var bytes = text
        var last: UInt8 = 0
        // Ends a line that was left incomplete when the process was killed.
        if status.st_size > 0, pread(descriptor, &last, 1, status.st_size - 1) == 1, last != UInt8(ascii: "\n") {
            bytes.insert(UInt8(ascii: "\n"), at: 0)
        }
        try bytes.span.bytes.withUnsafeBytes { bytes throws(DurableError) in
            try Durable.write(bytes, to: descriptor, path: path)
        }
        guard fsync(descriptor) == 0 else { throw DurableError(operation: "fsync", path: path, errno: errno) }
        if isNew { try Durable.syncDirectory(String(path[..<(path.lastIndex(of: "/") ?? path.endIndex)])) }
    }

    /// The records of a ledger in the order of arrival, and the lines that are not records.
    public struct Contents: Sendable {
        public var records: [CorpusRecord] = []
        /// The numbers of the lines that cannot be read, counted from 1: damaged, or incomplete because the process was
        /// killed.
        public var unreadableLines: [Int] = []

        public init() {}
    }

    /// Reads the ledger; one that does not exist is empty.
    public func contents() throws(DurableError) -> Contents {
        var contents = Contents()
        guard exists else { return contents }
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .iso8601
        let lines = try Durable.read(path).split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        for (index, line) in lines.enumerated() where !line.isEmpty {
            if let record = try? decoder.decode(CorpusRecord.self, from: Data(line)) {
                contents.records.append(record.bounded)
            } else {
                contents.unreadableLines.append(index + 1)
            }
        }
        return contents
    }
}

extension StateStore {
    /// Writes the ledger of a database that was created before ledgers existed.
    func completeLedger() throws(MetricsError) {
        guard !ledger.exists else { return }
        let known = try corpora()
        guard !known.isEmpty else { return }
        do {
            try ledger.create(known)
        } catch {
            throw MetricsError("copy the corpora to \(ledger.path)", path: path, cause: error)
        }
    }
}
