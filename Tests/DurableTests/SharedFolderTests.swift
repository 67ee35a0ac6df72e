import Durable
import FoundationEssentials
import Glibc
import Testing

/// Files in a folder that others can write to.
struct SharedFolderTests {
    private func withFolder(_ body: (String) throws -> Void) throws {
        let path = "/tmp/shared-\(getpid())-\(UInt32.random(in: 0 ..< .max))"
        try Durable.makeDirectory(path)
        defer { try? Durable.removeTree(path) }
        try body(path)
    }

    private func names(in folder: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder)
    }

    @Test func creatingAFileNeverReplacesAnother() throws {
        try withFolder { folder in
            try Durable.create("\(folder)/a", with: Array("one".utf8))
            let error = #expect(throws: DurableError.self) {
                try Durable.create("\(folder)/a", with: Array("two".utf8))
            }
            #expect(error?.errno == EEXIST)
            #expect(try Durable.read("\(folder)/a") == Array("one".utf8))
            #expect(try names(in: folder) == ["a"], "no temporary file is left")
        }
    }

    @Test func unwritableFolderIsReportedAndLeftUnchanged() throws {
        #expect(throws: DurableError.self) { try Durable.create("/proc/none/a", with: []) }
    }

    @Test func unpublishedFilesDisappear() throws {
        try withFolder { path in
            let folder = try SharedFolder(path)
            do {
                let file = try IncomingFile(in: folder, for: "a.txt")
                try [UInt8]("text".utf8).withUnsafeBytes { try file.append($0) }
            }
            #expect(try names(in: path) == [])
            for expected in ["a.txt", "a-2.txt", "a-3.txt"] {
                #expect(try IncomingFile(in: folder, for: "a.txt").publish(asOneLike: "a.txt") == expected)
            }
            #expect(try IncomingFile(in: folder, for: "a.txt").publish(asOneLike: "a.txt", atMost: 3) == nil)
            #expect(folder.contains("a-3.txt") && !folder.contains("a-4.txt"))
        }
    }

    @Test func senderIsRecordedWithTheFile() throws {
        try withFolder { path in
            let folder = try SharedFolder(path)
            let file = try IncomingFile(in: folder, for: "a")
            guard FileSender.record(4711, of: file.descriptor) else { return }
            #expect(try file.publish(as: "a"))
            #expect(FileSender.ofFile("a", in: folder.descriptor) == 4711)
            #expect(symlink("a", "\(path)/link") == 0)
            #expect(FileSender.ofFile("link", in: folder.descriptor) == nil)
            #expect(FileSender.ofFile("none", in: folder.descriptor) == nil)
        }
    }
}
