import Glibc
import Logging
import TestSupport
import Testing
import Varlink
import VarlinkServer

/// Creation, replacement and removal of the socket file.
@Suite(.timeLimit(.minutes(15))) struct ListeningTests {
    private let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    private func server(_ listener: VarlinkServer.Listener) -> VarlinkServer {
        VarlinkServer(service: Example.service(), listener: listener, logger: logger)
    }

    private func file(_ path: String) -> stat? {
        var status = stat()
        return lstat(path, &status) == 0 ? status : nil
    }

    /// Binds a socket to `path`, which listens if `live` and is closed immediately otherwise.
    private func bind(_ path: String, live: Bool) throws -> Int32 {
        var address = try #require(UnixAddress.make(path))
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        try #require(UnixAddress.with(&address) { Glibc.bind(descriptor, $0, $1) } == 0)
        if live {
            try #require(listen(descriptor, 1) == 0)
        } else {
            close(descriptor)
        }
        return descriptor
    }

    @Test func setsModeAndGroupAndRemovesFile() async throws {
        try await withTemporaryDirectory { directory in
            let path = "\(directory)/socket"
            let group = try #require(getgrgid(getgid()).map { String(cString: $0.pointee.gr_name) })
            try await withRunning(server(.path(path, mode: 0o660, group: group))) {
                let status = try #require(file(path))
                #expect(status.st_mode & 0o7777 == 0o660)
                #expect(status.st_gid == getgid())
            }
            #expect(file(path) == nil)
        }
    }

    @Test func replacesStaleSocket() async throws {
        try await withTemporaryDirectory { directory in
            let path = "\(directory)/socket"
            _ = try bind(path, live: false)
            try await withRunning(server(.path(path))) {
                try await blocking { () throws in
                    #expect(try VarlinkClient(path: path).call(Example.Echo.self, .init(text: "a")).text == "a")
                }
            }
        }
    }

    @Test func refusesSocketInUse() async throws {
        try await withTemporaryDirectory { directory in
            let path = "\(directory)/socket"
            let descriptor = try bind(path, live: true)
            defer { close(descriptor) }
            await #expect(throws: VarlinkListenError.inUse(path: path)) { try await server(.path(path)).run() }
            #expect(file(path) != nil)
        }
    }

    @Test func refusesFileThatIsNotASocket() async throws {
        try await withTemporaryDirectory { directory in
            let path = "\(directory)/socket"
            close(open(path, O_CREAT | O_WRONLY, 0o600))
            await #expect(throws: VarlinkListenError.notASocket(path: path)) { try await server(.path(path)).run() }
            #expect(file(path) != nil)
        }
    }

    @Test func keepsSocketOfSuccessor() async throws {
        try await withTemporaryDirectory { directory in
            let path = "\(directory)/socket"
            let descriptor = try await withRunning(server(.path(path))) {
                unlink(path)
                return try bind(path, live: true)
            }
            #expect(file(path) != nil)
            close(descriptor)
        }
    }

    @Test func rejectsInvalidPathsAndGroups() async throws {
        let long = "/tmp/" + String(repeating: "x", count: 103)
        await #expect(throws: VarlinkListenError.pathTooLong(path: long, limit: 107)) {
            try await server(.path(long)).run()
        }
        #expect(throws: VarlinkClientError.pathTooLong(path: long, limit: 107)) { try VarlinkClient(path: long) }
        await #expect(throws: VarlinkListenError.groupNotFound(group: "no such group")) {
            try await server(.path("/tmp/unused", group: "no such group")).run()
        }
        await #expect(throws: VarlinkListenError.system(operation: "bind", path: "/none/socket", errno: ENOENT)) {
            try await server(.path("/none/socket")).run()
        }
        #expect(throws: VarlinkClientError.connect(path: "/none/socket", errno: ENOENT)) {
            try VarlinkClient(path: "/none/socket")
        }
    }

    @Test func servesPassedDescriptorAndKeepsItsFile() async throws {
        try await withTemporaryDirectory { directory in
            let path = "\(directory)/socket"
            let descriptor = try bind(path, live: true)
            try await withRunning(server(.descriptor(descriptor))) {
                try await blocking { () throws in
                    #expect(try VarlinkClient(path: path).call(Example.Echo.self, .init(text: "a")).text == "a")
                }
            }
            #expect(file(path) != nil)
        }
    }
}
