import Glibc
import HTTPTypes
import Hummingbird
import Interface
import NIOCore
import NIOPosix
import Synchronization
import Varlink

/// `GET /api/export?model=MODEL[&generation=N]`: a generation as a tar archive of a Hugging Face model directory.
struct ExportRoute {
    /// Maximum number of concurrent downloads, each of which holds the files of a generation open.
    static let limit = 4
    /// How long the service may take to send the open files, in seconds.
    private static let patience = 30
    /// Bytes that are read from a file at once.
    private static let blockBytes = 1 << 17

    let client: ServiceClient
    let downloads: DownloadCount

    func export(_ request: Request) async throws -> Response {
        let query = try Query(request.uri)
        let model = try query.text("model")
        let place = try downloads.take()
        let (generation, files) = try await open(model, try query.integer("generation"))
        let folder = TarHeader.safe("\(model)-\(generation)")
        let entries = try files.map { try TarEntry($0, in: folder) }
        let length = entries.reduce(TarHeader.endBytes) { $0 + $1.bytes }
        let head = request.method == .head
        let headers: HTTPFields = [
            .contentType: "application/x-tar", .contentDisposition: "attachment; filename=\"\(folder).tar\"",
            .contentLength: "\(length)",
        ]
        if head { return Response(status: .ok, headers: headers) }
        return Response(
            status: .ok, headers: headers,
            body: .init(contentLength: length) { writer in
                defer { withExtendedLifetime(place) {} }
                for entry in entries {
                    try await writer.write(ByteBuffer(bytes: entry.header))
                    try await Self.copy(entry, to: &writer)
                }
                try await writer.write(ByteBuffer(repeating: 0, count: TarHeader.endBytes))
                try await writer.finish(nil)
            })
    }

    private func open(_ model: String, _ generation: Int?) async throws -> (generation: Int, files: [NamedFile]) {
        var found: (Int, [NamedFile])?
        try await client.callMore(ManagerInterface.Export.self, .init(model: model, generation: generation)) { reply in
            guard found == nil, let transfer = reply.transfer else { return }
            let files = try await NIOThreadPool.singleton.runIfActive {
                try reply.receiveFiles(from: transfer, patience: Self.patience)
            }
            found = (reply.generation, files)
        }
        guard let found else {
            throw VarlinkClientError.malformedReply(reason: "the reply to Export does not name a socket")
        }
        return found
    }

    /// Writes the contents of a file, padded to whole blocks. A file that is shorter than its header says ends the download.
    private static func copy(_ entry: TarEntry, to writer: inout any ResponseBodyWriter) async throws {
        var offset = 0
        while offset < entry.size {
            let wanted = min(blockBytes, entry.size - offset)
            let block = try await NIOThreadPool.singleton.runIfActive { [offset] in
                var block = [UInt8](repeating: 0, count: wanted)
                while true {
                    let count = pread(entry.file.file.number, &block, wanted, offset)
                    if count < 0, errno == EINTR { continue }
                    guard count > 0 else { throw ChangedFile(name: entry.file.name) }
                    return Array(block[..<count])
                }
            }
            try await writer.write(ByteBuffer(bytes: block))
            offset += block.count
        }
        let padding = TarHeader.padding(after: entry.size)
        if padding > 0 { try await writer.write(ByteBuffer(repeating: 0, count: padding)) }
    }

    private struct ChangedFile: Error, CustomStringConvertible {
        let name: String
        var description: String { "\(name) is shorter than it was" }
    }
}

/// Counts the downloads in progress.
final class DownloadCount: Sendable {
    private let active = Mutex(0)

    /// A place that is released with the last reference to it.
    final class Place: Sendable {
        private let count: DownloadCount
        fileprivate init(_ count: DownloadCount) { self.count = count }
        deinit { count.active.withLock { $0 -= 1 } }
    }

    func take() throws -> Place {
        let isTaken = active.withLock { count in
            guard count < ExportRoute.limit else { return false }
            count += 1
            return true
        }
        guard isTaken else {
            throw APIError(
                .serviceUnavailable, .unavailable,
                "\(ExportRoute.limit) downloads are already in progress; try again later",
                code: "overloaded", retryAfterMs: 5000)
        }
        return Place(self)
    }
}

/// A file of a tar archive.
struct TarEntry: Sendable {
    let file: NamedFile
    let size: Int
    let header: [UInt8]

    /// Bytes in the archive.
    var bytes: Int { header.count + size + TarHeader.padding(after: size) }

    init(_ file: NamedFile, in folder: String) throws {
        var status = stat()
        guard fstat(file.file.number, &status) == 0, status.st_mode & S_IFMT == S_IFREG,
            let header = TarHeader.bytes(
                name: "\(folder)/\(TarHeader.safe(file.name))", size: Int(status.st_size), time: status.st_mtim.tv_sec)
        else {
            throw APIError(
                .internalServerError, .server, "\(file.name) cannot be put into an archive", code: "internal_error")
        }
        self.file = file
        size = Int(status.st_size)
        self.header = header
    }
}

/// The headers of a tar archive in the format of POSIX.1-1988 (ustar).
enum TarHeader {
    static let blockBytes = 512
    /// Two empty blocks end an archive.
    static let endBytes = 2 * blockBytes
    private static let longestName = 100
    /// Sizes have eleven octal digits.
    private static let largestFile = 1 << 33 - 1

    static func padding(after size: Int) -> Int { (blockBytes - size % blockBytes) % blockBytes }

    /// Returns a name of ASCII letters, digits and `-_.`, without a leading dot.
    static func safe(_ name: String) -> String {
        let safe = name.utf8.map { byte -> UInt8 in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F: byte
            default: 0x5F
            }
        }
        let text = String(decoding: safe, as: UTF8.self)
        return text.hasPrefix(".") ? "_" + text.dropFirst() : text
    }

    /// Returns nil if the name is too long or the file too large.
    static func bytes(name: String, size: Int, time: Int) -> [UInt8]? {
        guard name.utf8.count <= longestName, (0...largestFile).contains(size) else { return nil }
        var header: [UInt8] = []
        func append(_ text: String, _ width: Int) {
            header += text.utf8
            header += [UInt8](repeating: 0, count: width - text.utf8.count)
        }
        func octal(_ number: Int, _ digits: Int) -> String {
            let text = String(max(0, number), radix: 8)
            return String(repeating: "0", count: max(0, digits - text.count)) + text
        }
        append(name, 100)
        append("0000644", 8)
        // The owner's numbers.
        append("0000000", 8)
        append("0000000", 8)
        append(octal(size, 11), 12)
        append(octal(min(time, largestFile), 11), 12)
        // The checksum is computed with spaces in its place.
        append("        ", 8)
        append("0", 1)
        append("", 100)
        append("ustar", 6)
        append("00", 2)
        append("root", 32)
        append("root", 32)
        append("", 8 + 8 + 155 + 12)
        let sum = octal(header.reduce(0) { $0 + Int($1) }, 6) + "\0 "
        header.replaceSubrange(148..<156, with: sum.utf8)
        return header
    }
}
