import Durable
import Foundation
import Glibc
import Testing

/// Special files and files that are too large are rejected before reading.
@Suite(.timeLimit(.minutes(15))) struct BoundedReadTests {
    private func withFolder(_ body: (String) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.path + "/bounded-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try body(folder)
    }

    @Test func readsFilesUpToTheLimit() throws {
        try withFolder { folder in
            let path = folder + "/file"
            for size in [0, 1, 4096, 5000] {
                let bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0) }
                try Durable.write(bytes, to: path)
                #expect(try Durable.read(path, atMost: size) == bytes)
                guard size > 0 else { continue }
                let error = #expect(throws: DurableError.self) { try Durable.read(path, atMost: size - 1) }
                #expect(error?.errno == EFBIG && error?.path == path)
            }
        }
    }

    @Test func rejectsSparseFileBySize() throws {
        try withFolder { folder in
            let path = folder + "/sparse"
            try Durable.write("x", to: path)
            guard truncate(path, 1 << 40) == 0 else { return }
            let error = #expect(throws: DurableError.self) { try Durable.read(path, atMost: 1 << 20) }
            #expect(error?.errno == EFBIG)
        }
    }

    /// Opening a FIFO without a writer would block.
    @Test(arguments: ["pipe", "device", "folder", "socket's place"])
    func rejectsNonRegularFilesWithoutBlocking(kind: String) throws {
        try withFolder { folder in
            let path = folder + "/it"
            switch kind {
            case "pipe": try #require(mkfifo(path, 0o600) == 0)
            case "device": try #require(symlink("/dev/zero", path) == 0)
            case "folder": try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            default: try #require(symlink(folder + "/nothing", path) == 0)
            }
            #expect(throws: DurableError.self) { try Durable.read(path, atMost: 1 << 20) }
        }
    }

    @Test func mapsAWholeFileAndNoLink() throws {
        try withFolder { folder in
            let path = folder + "/file"
            for bytes in [[], [7], [UInt8](repeating: 3, count: 5000)] as [[UInt8]] {
                try Durable.write(bytes, to: path)
                let file = try MappedFile(path)
                #expect(withExtendedLifetime(file) { Array(file.bytes) } == bytes)
            }
            try FileManager.default.createSymbolicLink(atPath: folder + "/link", withDestinationPath: path)
            #expect(try MappedFile(folder + "/link").bytes.count == 5000)
            let error = #expect(throws: DurableError.self) { try MappedFile(folder + "/link", followsLinks: false) }
            #expect(error?.errno == ELOOP)
            let noFile = #expect(throws: DurableError.self) { try MappedFile(folder) }
            #expect(noFile?.errno == EINVAL)
        }
    }
}
