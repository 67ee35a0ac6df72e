import Durable
import Glibc
import HTTPTypes
import Hummingbird
import NIOCore
import NIOPosix
import Synchronization

/// Uploads into the service's inbox.
public struct Inbox: Sendable {
    /// Maximum number of concurrent uploads.
    private static let uploadLimit = 4
    /// Maximum number of files with the same name.
    private static let nameLimit = 10_000
    /// For uploads of unknown size: the number of bytes after which free disk space is checked again.
    private static let lookInterval = 16 << 20

    let path: String
    /// Maximum size of a file in bytes.
    let limit: Int
    /// Bytes of disk space left free for the service.
    private let reserve: Int
    private let uploads: Uploads

    /// - Parameters:
    ///   - limit: maximum size of a file in bytes; all concurrent uploads together may have twice as many
    ///   - reserve: bytes of disk space left free for the service
    public init(path: String, limit: Int, reserve: Int = 256 << 20) {
        self.path = path
        self.limit = limit
        self.reserve = reserve
        let (total, isTooLarge) = limit.multipliedReportingOverflow(by: 2)
        uploads = Uploads(files: Self.uploadLimit, bytes: isTooLarge ? .max : total)
    }

    /// Removes incomplete uploads of a killed process; see `SharedFolder.clearLeftovers`.
    package func clearLeftovers() -> Int { (try? SharedFolder(path))?.clearLeftovers() ?? 0 }

    /// Adds a file to the inbox atomically, without replacing another.
    ///
    /// - Parameters:
    ///   - name: the client's name for the file; see `safeName`
    ///   - folder: the model to feed; nil feeds all
    ///   - length: the announced size in bytes
    /// - Returns: the file's name in the inbox, and its size
    func put(
        _ name: String, folder: String?, length: Int?, _ body: some AsyncSequence<ByteBuffer, any Error>
    ) async throws -> (name: String, bytes: Int) {
        guard let name = Self.safeName(name) else {
            throw APIError(.badRequest, "this is not a valid file name", param: "name", code: "invalid_name")
        }
        if let folder, Self.safeName(folder) != folder {
            throw APIError(.badRequest, "this is not a valid model name", param: "model", code: "invalid_name")
        }
        if let length, length > limit { throw tooLarge }
        let upload = try uploads.begin(expecting: length ?? 0)
        do {
            var directory = try SharedFolder(path)
            if let folder { directory = try directory.folder(folder) }
            try checkRoom(for: length ?? 0, in: directory)
            let file = try IncomingFile(in: directory, for: name)
            var bytes = 0
            var looked = 0
            for try await piece in body {
                let (sum, isOverflow) = bytes.addingReportingOverflow(piece.readableBytes)
                guard !isOverflow, sum <= limit else { throw tooLarge }
                bytes = sum
                try upload.grow(to: bytes)
                if bytes - looked >= Self.lookInterval {
                    looked = bytes
                    try checkRoom(for: max(0, (length ?? 0) - bytes), in: directory)
                }
                try piece.withUnsafeReadableBytes { try file.append($0) }
            }
            // A client that hangs up midway ends the body as well.
            if let length, bytes != length {
                throw APIError(.badRequest, "received \(bytes) bytes of the announced \(length)", code: "incomplete")
            }
            return (try await publish(file, as: name), bytes)
        } catch let error as DurableError {
            throw Self.failure(error)
        }
    }

    private func checkRoom(for bytes: Int, in directory: SharedFolder) throws {
        guard let free = directory.freeBytes else { return }
        let (needed, isTooLarge) = bytes.addingReportingOverflow(reserve)
        guard !isTooLarge, free >= needed else {
            throw APIError(
                507, .server, "not enough disk space: \(reserve) bytes must stay free for the service",
                code: "inbox_not_writable")
        }
    }

    private static func failure(_ error: DurableError) -> APIError {
        switch error.errno {
        case ENOSPC, EDQUOT: APIError(507, .server, "\(error)", code: "inbox_not_writable")
        // A user who can write to the inbox created something with this name.
        case ELOOP, ENOTDIR, ESTALE: APIError(.conflict, "\(error)", param: "model", code: "inbox_in_the_way")
        default: APIError(.internalServerError, .server, "\(error)", code: "inbox_not_writable")
        }
    }

    private var tooLarge: APIError {
        APIError(.contentTooLarge, "the file is larger than the limit of \(limit) bytes", code: "body_too_large")
    }

    /// Publishes under the given name, or with a number appended if the name is taken.
    private func publish(_ file: IncomingFile, as name: String) async throws -> String {
        // Safe to transfer: the caller no longer uses the value.
        nonisolated(unsafe) let file = file
        return try await NIOThreadPool.singleton.runIfActive {
            if let published = try file.publish(asOneLike: name, atMost: Self.nameLimit) { return published }
            throw APIError(
                .conflict, "the inbox already has \(Self.nameLimit) files with this name", param: "name",
                code: "name_taken")
        }
    }

    /// See `IncomingFile.safeName`.
    package static func safeName(_ name: String) -> String? { IncomingFile.safeName(name) }
}

/// Counts concurrent uploads and their bytes.
private final class Uploads: Sendable {
    private struct InFlight {
        var files = 0
        var bytes = 0
    }

    /// One upload; counts until its last reference is released.
    final class Upload: Sendable {
        private let uploads: Uploads
        private let bytes: Mutex<Int>

        fileprivate init(_ uploads: Uploads, bytes: Int) {
            self.uploads = uploads
            self.bytes = Mutex(bytes)
        }

        /// Adds the bytes received beyond the announced size.
        func grow(to size: Int) throws {
            try bytes.withLock { bytes in
                guard size > bytes else { return }
                try uploads.reserve(size - bytes)
                bytes = size
            }
        }

        deinit { uploads.end(bytes.withLock { $0 }) }
    }

    private let files: Int
    private let bytes: Int
    private let inFlight = Mutex(InFlight())

    init(files: Int, bytes: Int) {
        self.files = files
        self.bytes = bytes
    }

    func begin(expecting expected: Int) throws -> Upload {
        let isAdmitted = inFlight.withLock { inFlight in
            guard inFlight.files < files else { return false }
            inFlight.files += 1
            return true
        }
        guard isAdmitted else { throw tooMany }
        // From here on the upload subtracts its count when it ends.
        let upload = Upload(self, bytes: 0)
        try upload.grow(to: expected)
        return upload
    }

    fileprivate func reserve(_ more: Int) throws {
        let isAdmitted = inFlight.withLock { inFlight in
            let (sum, isTooLarge) = inFlight.bytes.addingReportingOverflow(more)
            guard !isTooLarge, sum <= bytes else { return false }
            inFlight.bytes = sum
            return true
        }
        guard isAdmitted else { throw tooMany }
    }

    fileprivate func end(_ size: Int) {
        inFlight.withLock { inFlight in
            inFlight.files -= 1
            inFlight.bytes -= size
        }
    }

    private var tooMany: APIError {
        APIError(
            .tooManyRequests, .rateLimit, "too many uploads are in progress; try again later",
            code: "too_many_uploads", retryAfterMs: 5000)
    }
}
