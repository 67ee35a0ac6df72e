import Foundation
import Glibc
import Interface
import Varlink
import VarlinkServer

/// Files of a model that a canned service passes to the web server.
struct CannedExport {
    /// Neither a multiple of the blocks of an archive nor of those in which files are read.
    static let weights = (0..<300_001).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    static let files: [(name: String, bytes: [UInt8])] = [
        ("config.json", Array("{}".utf8)), ("empty.txt", []), ("model.safetensors", weights),
    ]

    func send(_ generation: Int, _ writer: ReplyWriter<ManagerInterface.Export.Reply>) async throws {
        let folder = "/tmp/kantaibert-export-\(getpid())-\(UInt64.random(in: 0 ..< .max))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let open = try Self.files.map { name, bytes in
            try Data(bytes).write(to: URL(filePath: "\(folder)/\(name)"))
            return OpenDescriptor(Glibc.open("\(folder)/\(name)", O_RDONLY | O_CLOEXEC))
        }
        let path = "\(folder)/socket"
        var address = UnixAddress.make(path)!
        let listening = OpenDescriptor(socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0))
        guard UnixAddress.with(&address, { bind(listening.number, $0, $1) }) == 0, listen(listening.number, 1) == 0
        else {
            throw POSIXError(.EADDRINUSE)
        }
        let names = Self.files.map(\.name)
        try await writer.send(.init(transfer: path, generation: generation, files: names))
        try await withCheckedThrowingContinuation { (done: CheckedContinuation<Void, any Error>) in
            Thread.detachNewThread {
                let connection = OpenDescriptor(accept(listening.number, nil, nil))
                done.resume(
                    with: Result { try DescriptorPassing.send(open.map(\.number), over: connection.number) })
            }
        }
        try await writer.finish(.init(generation: generation, files: names))
    }
}
