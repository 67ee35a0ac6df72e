import DocumentReading
import Durable
import Foundation
import TextReading

/// What `DocumentReader` made of a file.
enum ReadDocument {
    case read(text: String, ReadingReport)
    case rejected(String)

    /// Reads bytes as a file with a name.
    init(_ name: String, _ bytes: some Sequence<UInt8>, _ options: ReadingOptions = .init()) throws {
        let bytes = Array(bytes)
        let (file, scratch) = (try UnnamedFile(bytes), try UnnamedFile([]))
        var text: [UInt8] = []
        var reader = DocumentReader(options: options, scratch: ScratchFile(descriptor: scratch.descriptor)) {
            text.append(contentsOf: $0)
        }
        do {
            let report = try reader.read(
                name: name, FileRegion(descriptor: file.descriptor, bytes: bytes.count))
            guard report.bytes == text.count else {
                throw UnexpectedResult(what: "\(report.bytes) bytes reported, \(text.count) written")
            }
            self = .read(text: String(decoding: text, as: UTF8.self), report)
        } catch let error as RejectionError {
            self = .rejected(error.reason.text)
        }
    }

    var text: String? { if case .read(let text, _) = self { text } else { nil } }

    var report: ReadingReport? { if case .read(_, let report) = self { report } else { nil } }

    var reason: String? { if case .rejected(let reason) = self { reason } else { nil } }

    private struct UnexpectedResult: Error {
        let what: String
    }
}

/// A temporary file without a name, removed with the last reference.
private final class UnnamedFile {
    let descriptor: Int32

    init(_ bytes: [UInt8]) throws {
        let path = FileManager.default.temporaryDirectory.appending(path: "reading-\(UUID().uuidString)").path()
        descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw POSIXError(.init(rawValue: errno) ?? .EIO) }
        unlink(path)
        try FileHandle(fileDescriptor: descriptor).write(contentsOf: bytes)
    }

    deinit { close(descriptor) }
}
