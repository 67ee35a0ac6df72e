import Durable
import FoundationEssentials
import Glibc
import Testing

struct DirectoryTests {
    let scratch: Scratch

    init() throws { scratch = try Scratch() }

    @Test func createsParentDirectories() throws {
        try Durable.makeDirectory(scratch("a/b/c"), mode: 0o700)
        try Durable.makeDirectory(scratch("a/b/c/"))
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch("a/b")) == ["c"])
        try Durable.write("x", to: scratch("file"))
        for path in ["file", "file/inside"] {
            let error = #expect(throws: DurableError.self) { try Durable.makeDirectory(scratch(path)) }
            #expect(error?.errno == ENOTDIR)
        }
    }

    @Test func publishesDirectoryOnce() throws {
        try Durable.publishDirectory(scratch("7")) { aside in
            try Durable.makeDirectory("\(aside)/inside")
            try Durable.write("weights", to: "\(aside)/inside/model")
        }
        #expect(try scratch.names() == ["7"])
        #expect(try Durable.read(scratch("7/inside/model")) == Array("weights".utf8))

        let error = #expect(throws: DurableError.self) { try Durable.publishDirectory(scratch("7")) { _ in } }
        #expect(error?.errno == EEXIST)
        #expect(try scratch.names() == ["7"], "the temporary directory was removed")
        #expect(try Durable.read(scratch("7/inside/model")) == Array("weights".utf8))
    }

    /// The tree is deeper than the stack, the number of open files and PATH_MAX permit.
    @Test func removesDeepTree() throws {
        let root = scratch("deep")
        try Durable.makeDirectory(root)
        try Durable.write("kept", to: scratch("kept"))
        var folder = open(root, O_RDONLY | O_DIRECTORY)
        for level in 0..<12_000 {
            // Adds some files, a link that points out of the tree, and a name that is not UTF-8.
            if level % 1000 == 0 {
                close(openat(folder, "file", O_WRONLY | O_CREAT, 0o600))
                #expect(symlinkat(scratch("kept"), folder, "link") == 0)
                #expect(mkdirat(folder, [CChar(bitPattern: 0xFF), 0], 0o700) == 0)
            }
            try #require(mkdirat(folder, "d", 0o700) == 0)
            let inner = openat(folder, "d", O_RDONLY | O_DIRECTORY)
            close(folder)
            folder = inner
        }
        close(folder)
        try Durable.removeTree(root)
        #expect(try scratch.names() == ["kept"])
        try Durable.removeTree(root)
    }

    @Test func switchesSymbolicLink() throws {
        try Durable.switchSymbolicLink(at: scratch("current"), to: "1")
        try Durable.switchSymbolicLink(at: scratch("current"), to: "2")
        #expect(try FileManager.default.destinationOfSymbolicLink(atPath: scratch("current")) == "2")
        #expect(try scratch.names() == ["current"])
    }

    @Test func readerAlwaysFindsLink() async throws {
        try Durable.switchSymbolicLink(at: scratch("current"), to: "0")
        async let reads = (0..<2_000).reduce(into: Set<String>()) { seen, _ in
            seen.insert((try? FileManager.default.destinationOfSymbolicLink(atPath: scratch("current"))) ?? "missing")
        }
        for number in 0..<50 { try Durable.switchSymbolicLink(at: scratch("current"), to: "\(number)") }
        #expect(await !reads.contains("missing"))
    }

    @Test func removeTreeDoesNotFollowLinks() throws {
        try Durable.makeDirectory(scratch("keep"))
        try Durable.write("x", to: scratch("keep/file"))
        try Durable.makeDirectory(scratch("tree/a/b"))
        try Durable.write("x", to: scratch("tree/a/file"))
        try Durable.switchSymbolicLink(at: scratch("tree/a/link"), to: scratch("keep"))
        try Durable.removeTree(scratch("tree"))
        try Durable.removeTree(scratch("tree"))
        #expect(try scratch.names() == ["keep"])
        #expect(try Durable.read(scratch("keep/file")) == Array("x".utf8))
    }
}
