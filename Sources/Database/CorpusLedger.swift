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
        let encoder = JSONEncoder()
        encoder.dateEncodingStrategy = .iso8601
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        var text: [UInt8] = []
        for record in records { text += try encoder.encode(record) + [UInt8(ascii: "\n")] }
        try writing.withLock { _ in try append(text) }
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
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { bytes in retrying { write(descriptor, bytes.baseAddress, bytes.count) } }
            guard count >= 0 else { throw DurableError(operation: "write", path: path, errno: errno) }
            rest = rest.dropFirst(count)
        }
        guard fsync(descriptor) == 0 else { throw DurableError(operation: "fsync", path: path, errno: errno) }
        if isNew { try Durable.syncDirectory(String(path[..<(path.lastIndex(of: "/") ?? path.endIndex)])) }
    }

    /// Returns its records in the order of arrival, except for lines that cannot be read.
    public func records() -> [CorpusRecord] {
        guard let bytes = try? Durable.read(path) else { return [] }
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .iso8601
        return bytes.split(separator: UInt8(ascii: "\n")).compactMap {
            try? decoder.decode(CorpusRecord.self, from: Data($0)).bounded
        }
    }
}

extension StateStore {
    /// Writes the ledger of a database that was created before ledgers existed.
    func completeLedger() throws(MetricsError) {
        guard !ledger.exists else { return }
        let known = try corpora()
        guard !known.isEmpty else { return }
        do {
            try ledger.append(known)
        } catch {
            throw MetricsError("copy the corpora to \(ledger.path)", path: path, cause: error)
        }
    }
}
