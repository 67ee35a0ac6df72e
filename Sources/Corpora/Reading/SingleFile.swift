import Durable
import Glibc
import TextReading

/// Reads one file as the inbox would, without a store.
public enum SingleFile {
    /// The text of a file.
    public struct Text: Sendable {
        /// A file with the text, in UTF-8.
        public let path: String
        public let report: ReadingReport
    }

    /// The file cannot be used as text.
    public struct Rejected: Error, Sendable {
        public let reason: String
    }

    /// Reads a file and writes its text to `directory`.
    /// - Parameters:
    ///   - reader: path of `kantaibert-read`; nil rejects files that are not plain UTF-8
    ///   - directory: a directory for temporary files
    /// - Throws: `Rejected`, `DurableError`
    public static func read(
        _ path: String, options: ReadingOptions = .init(), reader: String?, into directory: String
    ) throws -> Text {
        let descriptor = path.withRawPath { open($0, O_RDONLY | O_CLOEXEC | O_NONBLOCK) }
        guard descriptor >= 0 else { throw DurableError(operation: "open", path: path, errno: errno) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw DurableError(operation: "stat", path: path, errno: errno) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw Rejected(reason: "is not a regular file") }
        let bytes = Int(status.st_size)
        let room = try DiskRoom(in: directory, reserve: 0, for: bytes > options.maxFileBytes ? 0 : bytes)
        let reading = FileReading(
            directory: directory, options: options,
            reader: reader.map { ReaderProcess(program: $0, limits: ReaderLimits()) }, room: room,
            isCancelled: { false })
        do {
            let name = String(path[(path.lastIndex(of: "/").map { path.index(after: $0) } ?? path.startIndex)...])
            let outcome = try reading.read(descriptor, name: name, bytes: bytes)
            let text = "\(directory)/text"
            try outcome.copy.publish(as: text)
            return Text(path: text, report: outcome.report)
        } catch let error as RejectionError {
            throw Rejected(reason: "\(error.reason)")
        }
    }
}
