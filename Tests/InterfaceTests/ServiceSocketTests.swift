import FoundationEssentials
import Glibc
import Interface
import TestSupport
import Testing
import Varlink

/// Finding the service's socket if the user did not specify one.
@Suite struct ServiceSocketTests {
    /// A socket's path has at most 107 bytes, of which TMPDIR may leave too few.
    private let folder = "/tmp/socket-\(UUID().uuidString.prefix(8))"
    private var local: String { folder + "/var" }
    private let listening: OpenDescriptor

    init() throws {
        try FileManager.default.createDirectory(atPath: folder + "/var", withIntermediateDirectories: true)
        chmod(folder + "/var", 0o755)
        listening = OpenDescriptor(socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0))
        var address = try #require(UnixAddress.make(folder + "/var/io.kantaibert"))
        try #require(UnixAddress.with(&address) { bind(listening.number, $0, $1) } == 0)
        try #require(listen(listening.number, 1) == 0)
    }

    private func find() throws(UntrustedSocket) -> String {
        try ServiceSocket.find(system: folder + "/none", folder: local).path
    }

    private func reason() -> String {
        do {
            return try find()
        } catch {
            return "\(error)"
        }
    }

    private func remove() { try? FileManager.default.removeItem(atPath: folder) }

    @Test func findsSocketInOwnDirectory() throws {
        defer { remove() }
        #expect(try find() == local + "/io.kantaibert")
        let client = try VarlinkClient(path: local + "/io.kantaibert")
        #expect(client.serverUser == geteuid())
        try ServiceSocket.find(system: folder + "/none", folder: local).check(server: client.serverUser)
    }

    @Test func prefersTheSystemsSocket() throws {
        defer { remove() }
        #expect(try ServiceSocket.find(system: folder, folder: local).path == folder)
    }

    @Test func defaultsToTheSystemsSocket() throws {
        defer { remove() }
        unlink(local + "/io.kantaibert")
        #expect(try find() == folder + "/none")
    }

    @Test(arguments: [0o775, 0o757, 0o1777]) func refusesDirectoryWritableByOthers(mode: mode_t) throws {
        defer { remove() }
        chmod(local, mode)
        #expect(reason().contains("other users can write to") && reason().contains("--socket"))
    }

    @Test func refusesSymbolicLink() throws {
        defer { remove() }
        try FileManager.default.moveItem(atPath: local, toPath: folder + "/real")
        try FileManager.default.createSymbolicLink(atPath: local, withDestinationPath: folder + "/real")
        #expect(reason().contains("is not a directory"))
    }

    @Test func refusesFileThatIsNotASocket() throws {
        defer { remove() }
        unlink(local + "/io.kantaibert")
        symlink("/run/other", local + "/io.kantaibert")
        #expect(reason().contains("it is not a socket"))
    }

    @Test(.needsRoot) func refusesSocketOfAnotherUserAsRoot() throws {
        defer { remove() }
        chown(local, 41_001, 41_001)
        #expect(reason().contains("\(local) belongs to another user"))
        chown(local, 0, 0)
        chown(local + "/io.kantaibert", 41_001, 41_001)
        #expect(reason().contains("it belongs to another user"))
    }

    @Test func checksListeningUser() throws {
        defer { remove() }
        let stranger: uid_t = geteuid() == 41_002 ? 41_003 : 41_002
        let found = try ServiceSocket.find(system: folder + "/none", folder: local)
        let named = ServiceSocket(path: found.path)
        for socket in [found, named] {
            try socket.check(server: 0)
            try socket.check(server: geteuid())
            #expect(throws: UntrustedSocket.self) { try socket.check(server: stranger) }
            #expect(throws: UntrustedSocket.self) { try socket.check(server: nil) }
        }
    }

    @Test(.needsRoot) func acceptsOwnerOfNamedSocketAsRoot() throws {
        defer { remove() }
        let stranger: uid_t = 41_002
        let found = try ServiceSocket.find(system: folder + "/none", folder: local)
        chown(found.path, stranger, stranger)
        try ServiceSocket(path: found.path).check(server: stranger)
        #expect(throws: UntrustedSocket.self) { try found.check(server: stranger) }
    }
}
