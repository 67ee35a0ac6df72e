import Daemon
import Durable
import FoundationEssentials
import Glibc
import Interface
import Logging
import Settings
import TestSupport
import Testing
import Varlink
import VarlinkServer

/// Files that members send over the socket, valid and hostile.
@Suite(.timeLimit(.minutes(15))) struct UploadTests {
    /// A manager with an inbox that nothing is taken from.
    private func withManager(
        _ settings: Settings = .builtIn,
        _ body: @escaping @Sendable (_ client: VarlinkClient, _ directory: StateDirectory) throws -> Void
    ) async throws {
        let directory = StateDirectory(root: "/tmp/upload-\(getpid())-\(UInt32.random(in: 0 ..< .max))")
        defer { try? FileManager.default.removeItem(atPath: directory.root) }
        try directory.prepare(models: ["kantaibert"])
        var service = VarlinkService(vendor: "", product: "", version: "", url: "")
        try ManagerService.idle(in: directory, settings: settings).register(with: &service)
        let socket = directory.root + "/socket"
        let server = VarlinkServer(
            service: service, listener: .path(socket), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let (listening, isListening) = AsyncStream.makeStream(of: Void.self)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await server.run { isListening.yield() } }
            for await _ in listening { break }
            let result: Result<Void, any Error>
            do {
                try await blocking {
                    try body(try VarlinkClient(path: socket, errors: ManagerInterface.errors), directory)
                }
                result = .success(())
            } catch {
                result = .failure(error)
            }
            group.cancelAll()
            try result.get()
        }
    }

    private static func file(_ name: String, _ text: String, in directory: StateDirectory) throws -> UploadedFile {
        let path = "\(directory.root)/source-\(UInt32.random(in: 0 ..< .max))"
        try Data(text.utf8).write(to: URL(filePath: path))
        return UploadedFile(name: name, bytes: text.utf8.count, file: OpenDescriptor(open(path, O_RDONLY)))
    }

    private static func entries(_ folder: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
    }

    @Test func filesArePublishedPrivatelyWithTheirSender() async throws {
        try await withManager { client, directory in
            let names = ["a.txt", "../../b.txt", ".hidden", "a.txt", "empty"]
            let texts = ["one", String(repeating: "two ", count: 1 << 20), "three", "four", ""]
            let files = try zip(names, texts).map { try Self.file($0, $1, in: directory) }
            var received: [ManagerInterface.Received] = []
            var sent = 0
            try client.put(files, into: "kantaibert", wait: false, progress: { sent = max(sent, $1) }) {
                received.append($0)
            }
            #expect(sent == 4 << 20)
            let published = ["a.txt", "b.txt", "hidden", "a-2.txt", "empty"]
            #expect(received.map(\.name) == published.map { "kantaibert/\($0)" })
            #expect(received.map(\.index) == [0, 1, 2, 3, 4] && received.allSatisfy { $0.state == .received })
            let inbox = directory.inbox(of: "kantaibert")
            #expect(try Self.entries(inbox) == published.sorted())
            for (name, text) in zip(published, texts) {
                #expect(try String(contentsOf: URL(filePath: "\(inbox)/\(name)"), encoding: .utf8) == text)
                var status = stat()
                #expect(stat("\(inbox)/\(name)", &status) == 0 && status.st_mode & 0o777 == 0o600)
                let folder = OpenDescriptor(open(inbox, O_RDONLY | O_DIRECTORY))
                let sender = FileSender.ofFile(name, in: folder.number)
                // Some file systems have no extended attributes of users.
                #expect(sender == nil || sender == geteuid())
            }
        }
    }

    @Test func unusableFilesAreRefusedBeforeTheyAreSent() async throws {
        let settings = try Settings.parse("inbox:\n  max_file_bytes: 1000\n", file: "k.yaml")
        try await withManager(settings) { client, directory in
            func reason(_ files: [ManagerInterface.Upload]) -> String {
                do {
                    let replies = try client.callMore(ManagerInterface.Put.self, .init(files: files))
                    while let reply = try replies.next() { return "accepted: \(reply)" }
                    return "accepted"
                } catch let error as ManagerInterface.PutRefused {
                    return error.reason
                } catch {
                    return "\(error)"
                }
            }
            #expect(reason([]) == "there are no files")
            #expect(reason((0...64).map { .init(name: "\($0)", bytes: 1) }).contains("at most 64"))
            #expect(reason([.init(name: "a.txt", bytes: 1001)]).contains("inbox.max_file_bytes"))
            #expect(reason([.init(name: "a.txt", bytes: -1)]).contains("has -1 bytes"))
            #expect(reason([.init(name: "a.txt", bytes: .max)]).contains("at most 1000"))
            #expect(reason([.init(name: "../..", bytes: 1)]).contains("not a valid file name"))
            #expect(reason([.init(name: "a.txt.part", bytes: 1)]).contains("unfinished"))
            #expect(reason([.init(name: String(repeating: "/", count: 100_000), bytes: 1)]).utf8.count < 300)
            #expect(throws: VarlinkServiceError.expectedMore) {
                try client.call(ManagerInterface.Put.self, .init(files: [.init(name: "a", bytes: 1)]))
            }
            #expect(throws: ManagerInterface.ModelNotFound.self) {
                try client.put([], into: "none", wait: false, progress: { _, _ in }, receive: { _ in })
            }
            let entries = try Self.entries(directory.inbox)
            #expect(entries == ["kantaibert"])
        }
    }

    @Test func nothingOfAnIncompleteFileRemains() async throws {
        try await withManager { client, directory in
            let replies = try client.callMore(
                ManagerInterface.Put.self,
                .init(files: [.init(name: "whole", bytes: 3), .init(name: "part", bytes: 100)]))
            let transfer = try #require(try replies.next()?.transfer)
            do {
                let socket = OpenDescriptor(try UnixAddress.connect(to: transfer))
                let bytes = Array("one and a part".utf8)
                #expect(send(socket.number, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count)
            }
            var received: [String] = []
            let error = #expect(throws: ManagerInterface.TransferFailed.self) {
                while let reply = try replies.next() { received += [reply.file?.name].compactMap(\.self) }
            }
            #expect(error?.reason.contains("89 bytes before the end of part") == true, "\(String(describing: error))")
            #expect(received == ["whole"])
            #expect(try Self.entries(directory.inbox) == ["kantaibert", "whole"])
            #expect(try Self.entries(directory.transfer) == [])
        }
    }

    /// A member can replace the folder of a model, but not make the service write through a link.
    @Test func linkInPlaceOfAModelsFolderIsNotFollowed() async throws {
        try await withManager { client, directory in
            let inbox = directory.inbox(of: "kantaibert")
            try FileManager.default.removeItem(atPath: inbox)
            try FileManager.default.createSymbolicLink(atPath: inbox, withDestinationPath: directory.corpus)
            let file = try Self.file("a.txt", "text", in: directory)
            let error = #expect(throws: ManagerInterface.PutRefused.self) {
                try client.put([file], into: "kantaibert", wait: false, progress: { _, _ in }, receive: { _ in })
            }
            #expect(error?.reason.contains("not a link") == true, "\(String(describing: error))")
            #expect(try Self.entries(directory.corpus) == [])
        }
    }

    @Test func filesThatWouldUseTheReserveAreRefused() async throws {
        var settings = Settings.builtIn
        settings.retention.reserveBytes = .max / 4
        try await withManager(settings) { client, directory in
            let file = try Self.file("a.txt", "text", in: directory)
            let error = #expect(throws: ManagerInterface.PutRefused.self) {
                try client.put([file], into: nil, wait: false, progress: { _, _ in }, receive: { _ in })
            }
            #expect(error?.reason.contains("retention.reserve") == true, "\(String(describing: error))")
        }
    }
}
