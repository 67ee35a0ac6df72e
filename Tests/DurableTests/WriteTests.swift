import Durable
import FoundationEssentials
import Glibc
import Testing

struct WriteTests {
    let scratch: Scratch

    init() throws { scratch = try Scratch() }

    @Test func replacesFileWithoutLeftovers() throws {
        try Durable.write("old", to: scratch("a"))
        try Durable.write([1, 2, 3], to: scratch("a"), mode: 0o600)
        #expect(FileManager.default.contents(atPath: scratch("a")) == Data([1, 2, 3]))
        #expect(try scratch.names() == ["a"])
        var status = stat()
        #expect(stat(scratch("a"), &status) == 0)
        #expect(status.st_mode & 0o777 == 0o600)
    }

    @Test func writesDataOfEverySize() throws {
        for count in [0, 1, 4095, 4096, 4097, 3_000_001] {
            let data = Data((0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31) })
            try Durable.write(data, to: scratch("a"))
            #expect(try Durable.read(scratch("a")) == Array(data))
        }
    }

    @Test func readsFilesWithReportedSizeZero() throws {
        #expect(try String(decoding: Durable.read("/proc/self/status"), as: UTF8.self).contains("Threads:"))
    }

    @Test func failedWriteReportsPathAndKeepsOldFile() throws {
        let error = #expect(throws: DurableError.self) { try Durable.write("x", to: scratch("none/a")) }
        #expect(error?.errno == ENOENT)
        #expect(error?.description == "open \(scratch("none/a")): No such file or directory")

        try Durable.makeDirectory(scratch("folder/inside"))
        let replaced = #expect(throws: DurableError.self) { try Durable.write("x", to: scratch("folder")) }
        #expect(replaced?.operation == "rename")
        #expect(try scratch.names() == ["folder"], "the temporary file was removed")
    }

    @Test func describesFullDisk() {
        let error = DurableError(operation: "write", path: "/x", errno: ENOSPC)
        #expect(error.description.hasPrefix("write /x: No space left on device (the disk is full"))
    }

    @Test func removesUnpublishedFile() throws {
        do {
            let file = try AtomicFile(for: scratch("a"))
            try [UInt8](repeating: 7, count: 10).withUnsafeBytes { try file.append($0) }
            let aside = try scratch.names()
            #expect(aside.count == 1)
            #expect(aside.allSatisfy { $0.hasPrefix(".a.") && $0.hasSuffix(".tmp") })
            #expect(!aside.contains(where: TemporaryName.isLeftover), "this process is alive")
        }
        #expect(try scratch.names() == [])
    }

    @Test func shortensTemporaryNameOfLongNames() throws {
        let name = String(repeating: "ü", count: 127)
        try Durable.write("x", to: scratch(name))
        #expect(try scratch.names() == [name])
    }

    @Test func clearsLeftoversOfDeadProcesses() throws {
        let mine = TemporaryName.beside(scratch("x"))
        let reused = ".x.\(getpid())-1-1.tmp"
        for name in [".a.999999999-5-1.tmp", reused, ".hidden.tmp", "b.999999999-5-1.tmp", ".a.1-2.tmp"] {
            #expect(FileManager.default.createFile(atPath: scratch(name), contents: nil))
        }
        #expect(FileManager.default.createFile(atPath: mine, contents: nil))
        try Durable.makeDirectory(scratch(".tree.999999999-5-2.tmp/inside"))
        let cleared = try TemporaryName.clearLeftovers(in: scratch.path)
        #expect(Set(cleared) == [".a.999999999-5-1.tmp", reused, ".tree.999999999-5-2.tmp"])
        #expect(try scratch.names().count == 4)
    }
}
