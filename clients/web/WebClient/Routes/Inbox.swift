import Durable
import Glibc
import HTTPTypes
import Hummingbird
import NIOCore
import NIOPosix
import Synchronization

/// The folder that the service takes text from.
public struct Inbox: Sendable {
    /// Files that may be on their way at a time.
    private static let uploadLimit = 4
    /// Files of one name.
    private static let nameLimit = 10_000
    /// Bytes after which the free space is looked at again, where a file has no announced size.
    private static let lookInterval = 16 << 20

    let path: String
    /// Bytes a file may have.
    let limit: Int
    /// Bytes that stay free on the disk for the service.
    private let reserve: Int
    private let uploads: Uploads

    /// - Parameters:
    ///   - limit: bytes a file may have; all that are on their way may have twice as many
    ///   - reserve: bytes that stay free on the disk for the service
    public init(path: String, limit: Int, reserve: Int = 256 << 20) {
        self.path = path
        self.limit = limit
        self.reserve = reserve
        let (total, isTooLarge) = limit.multipliedReportingOverflow(by: 2)
        uploads = Uploads(files: Self.uploadLimit, bytes: isTooLarge ? .max : total)
    }

    /// Removes what a process that was killed had not finished; see `InboxFolder.clearLeftovers`.
    package func clearLeftovers() -> Int { (try? InboxFolder(inbox: path))?.clearLeftovers() ?? 0 }

    /// Puts a file into the inbox, whole or not at all, and takes no other's place.
    ///
    /// - Parameters:
    ///   - name: as the client says; see `safeName`
    ///   - folder: the model that alone is to learn from it
    ///   - length: bytes that are announced
    /// - Returns: the name it has there, and its size
    func put(
        _ name: String, folder: String?, length: Int?, _ body: some AsyncSequence<ByteBuffer, any Error>
    ) async throws -> (name: String, bytes: Int) {
        guard let name = Self.safeName(name) else {
            throw APIError(.badRequest, "this is no name for a file", param: "name", code: "invalid_name")
        }
        if let folder, Self.safeName(folder) != folder {
            throw APIError(.badRequest, "this is no name for a folder", param: "model", code: "invalid_name")
        }
        if let length, length > limit { throw tooLarge }
        let upload = try uploads.begin(expecting: length ?? 0)
        do {
            var directory = try InboxFolder(inbox: path)
            if let folder { directory = try directory.folder(folder) }
            try checkRoom(for: length ?? 0, in: directory)
            let file = try InboxFile(in: directory, for: name)
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
            // A client that hangs up in the middle ends the body too.
            if let length, bytes != length {
                throw APIError(.badRequest, "\(bytes) bytes came, \(length) were announced", code: "incomplete")
            }
            return (try await publish(file, as: name), bytes)
        } catch let error as DurableError {
            throw Self.failure(error)
        }
    }

    private func checkRoom(for bytes: Int, in directory: InboxFolder) throws {
        guard let free = directory.freeBytes else { return }
        let (needed, isTooLarge) = bytes.addingReportingOverflow(reserve)
        guard !isTooLarge, free >= needed else {
            throw APIError(
                507, .server, "the disk has no room for this file and what the service needs",
                code: "inbox_not_writable")
        }
    }

    private static func failure(_ error: DurableError) -> APIError {
        switch error.errno {
        case ENOSPC, EDQUOT: APIError(507, .server, "\(error)", code: "inbox_not_writable")
        // Somebody who may write to the inbox has put something in the way.
        case ELOOP, ENOTDIR, ESTALE: APIError(.conflict, "\(error)", param: "model", code: "inbox_in_the_way")
        default: APIError(.internalServerError, .server, "\(error)", code: "inbox_not_writable")
        }
    }

    private var tooLarge: APIError {
        APIError(.contentTooLarge, "a file may have \(limit) bytes", code: "body_too_large")
    }

    /// Under the name, or with a number behind it where the inbox has such a file already.
    private func publish(_ file: InboxFile, as name: String) async throws -> String {
        // Nobody else has it: this function's caller is done with it.
        nonisolated(unsafe) let file = file
        return try await NIOThreadPool.singleton.runIfActive {
            let dot = name.lastIndex(of: ".") ?? name.endIndex
            for number in 1...Self.nameLimit {
                let tried = number == 1 ? name : "\(name[..<dot])-\(number)\(name[dot...])"
                if try file.publish(as: tried) { return tried }
            }
            throw APIError(
                .conflict, "the inbox has \(Self.nameLimit) files of this name", param: "name", code: "name_taken")
        }
    }

    /// The last part of a path, without what a shell, a terminal or the service would take for something else: no
    /// separators, no control characters, no dot in front (the service passes over such files), 200 bytes at most.
    package static func safeName(_ name: String) -> String? {
        let last = name.split(whereSeparator: { $0 == "/" || $0 == "\\" }).last ?? ""
        var safe = String.UnicodeScalarView()
        for scalar in last.unicodeScalars {
            switch scalar.properties.generalCategory {
            case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator: continue
            default: safe.append(scalar)
            }
        }
        var text = Substring(String(safe)).drop { $0 == "." || $0 == " " }
        while text.last == " " { text.removeLast() }
        while text.utf8.count > 200 { text.removeLast() }
        return text.isEmpty ? nil : String(text)
    }
}

/// Counts the files that are on their way, and their bytes.
private final class Uploads: Sendable {
    private struct UnderWay {
        var files = 0
        var bytes = 0
    }

    /// One of them; counts until the last reference goes.
    final class Upload: Sendable {
        private let uploads: Uploads
        private let bytes: Mutex<Int>

        fileprivate init(_ uploads: Uploads, bytes: Int) {
            self.uploads = uploads
            self.bytes = Mutex(bytes)
        }

        /// Counts what has come, where it is more than was expected.
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
    private let underWay = Mutex(UnderWay())

    init(files: Int, bytes: Int) {
        self.files = files
        self.bytes = bytes
    }

    func begin(expecting expected: Int) throws -> Upload {
        let isAdmitted = underWay.withLock { underWay in
            guard underWay.files < files else { return false }
            underWay.files += 1
            return true
        }
        guard isAdmitted else { throw tooMany }
        // From here on the count is the upload's to take back.
        let upload = Upload(self, bytes: 0)
        try upload.grow(to: expected)
        return upload
    }

    fileprivate func reserve(_ more: Int) throws {
        let isAdmitted = underWay.withLock { underWay in
            let (sum, isTooLarge) = underWay.bytes.addingReportingOverflow(more)
            guard !isTooLarge, sum <= bytes else { return false }
            underWay.bytes = sum
            return true
        }
        guard isAdmitted else { throw tooMany }
    }

    fileprivate func end(_ size: Int) {
        underWay.withLock { underWay in
            underWay.files -= 1
            underWay.bytes -= size
        }
    }

    private var tooMany: APIError {
        APIError(
            .tooManyRequests, .rateLimit, "as many files as may be are on their way already",
            code: "too_many_uploads", retryAfterMs: 5000)
    }
}
