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

    let path: String
    /// Bytes a file may have.
    let limit: Int
    private let uploads = UploadCount()

    public init(path: String, limit: Int) {
        self.path = path
        self.limit = limit
    }

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
        if let length, length > limit { throw tooLarge }
        guard uploads.begin(limit: Self.uploadLimit) else {
            throw APIError(
                .tooManyRequests, .rateLimit, "\(Self.uploadLimit) files are on their way already",
                code: "too_many_uploads", retryAfterMs: 5000)
        }
        defer { uploads.end() }
        do {
            let directory = folder.map { "\(path)/\($0)" } ?? path
            // The group comes from the inbox by its setgid bit, which the unit's sandbox lets nobody ask for.
            if folder != nil { try Durable.makeDirectory(directory, mode: 0o770) }
            let file = try AsideFile(for: "\(directory)/\(name)", mode: 0o640)
            var bytes = 0
            for try await piece in body {
                bytes += piece.readableBytes
                guard bytes <= limit else { throw tooLarge }
                try piece.withUnsafeReadableBytes { try file.append($0) }
            }
            // A client that hangs up in the middle ends the body too.
            if let length, bytes != length {
                throw APIError(.badRequest, "\(bytes) bytes came, \(length) were announced", code: "incomplete")
            }
            return (try await publish(file, in: directory, as: name), bytes)
        } catch let error as DurableError {
            let status: HTTPResponse.Status = error.errno == ENOSPC ? 507 : .internalServerError
            throw APIError(status, .server, "\(error)", code: "inbox_not_writable")
        }
    }

    private var tooLarge: APIError {
        APIError(.contentTooLarge, "a file may have \(limit) bytes", code: "body_too_large")
    }

    /// Under the name, or with a number behind it where the inbox has such a file already.
    private func publish(_ file: AsideFile, in directory: String, as name: String) async throws -> String {
        // Nobody else has it: this function's caller is done with it.
        nonisolated(unsafe) let file = file
        return try await NIOThreadPool.singleton.runIfActive {
            let dot = name.lastIndex(of: ".") ?? name.endIndex
            for number in 1... {
                let tried = number == 1 ? name : "\(name[..<dot])-\(number)\(name[dot...])"
                if try file.publishNew(as: "\(directory)/\(tried)") { return tried }
            }
            preconditionFailure("every name is taken")
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

private final class UploadCount: Sendable {
    private let underWay = Mutex(0)

    func begin(limit: Int) -> Bool {
        underWay.withLock { count in
            guard count < limit else { return false }
            count += 1
            return true
        }
    }

    func end() { underWay.withLock { $0 -= 1 } }
}
