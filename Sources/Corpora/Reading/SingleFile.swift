import Durable
import Glibc
import TextReading

/// Reads one file as the inbox would, without a store.
public enum SingleFile {
    /// The text of a file.
    public struct Text {
        public let report: ReadingReport
        private let file: UnnamedFile

        fileprivate init(_ file: UnnamedFile, _ report: ReadingReport) {
            self.file = file
            self.report = report
        }

        /// Calls `body` with a path that opens the text, in UTF-8, until `body` returns.
        public func withPath<Result>(_ body: (String) throws -> Result) rethrows -> Result {
            try file.withPath(body)
        }
    }

    /// The file cannot be used as text.
    public struct Rejected: Error, Sendable {
        public let reason: String
    }

    /// Reads a file. What the inbox would leave or ignore because of its name is rejected.
    /// - Parameters:
    ///   - path: encoded by `RawPath`
    ///   - reader: path of `kantaibert-read`; nil rejects files that are not plain UTF-8
    ///   - temporaryDirectory: a directory for temporary files, which have no names
    /// - Throws: `Rejected`, `DurableError`
    public static func read(
        _ path: String, options: ReadingOptions = .init(), reader: String?, temporaryDirectory directory: String
    ) throws -> Text {
        let name = splitPath(path).name
        if let sidecar = Sidecar.kind(ofName: name) { throw Rejected(reason: sidecar.reason) }
        guard !name.hasPrefix(".") else { throw Rejected(reason: "is hidden, so the inbox ignores it") }
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
            isOver: { false }, isCancelled: { false }
        ) { directory throws(DurableError) in try UnnamedFile(in: directory) }
        do {
            let outcome = try reading.read(descriptor, name: name, bytes: bytes)
            return Text(outcome.copy, outcome.report)
        } catch let error as RejectionError {
            throw Rejected(reason: "\(error.reason)")
        }
    }
}
