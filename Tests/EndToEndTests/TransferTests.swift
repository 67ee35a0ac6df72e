import Durable
import Foundation
import Glibc
import Interface
import TestSupport
import Testing
import Varlink

/// Tests valid and invalid transfers of model files as descriptors.
@Suite(
    "Model import and export", .serialized, .timeLimit(.minutes(30)),
    .enabled(if: Programs.areBuilt, "\(Programs.missing)"))
struct TransferTests {
    /// A service with an untrained generation, and an exported copy of it.
    private final class Prepared {
        let service: RunningService
        var source: String { service.folder + "/elsewhere" }

        init(as user: Int? = nil, settings: String = GateTests.settings(steps: 3)) throws {
            service = try RunningService(settings: settings)
            try service.serve("mlm", as: "kantaibert")
            if let user {
                let identity = "\(user):\(user)"
                try #require(try Programs.command(["/usr/bin/chown", "-R", identity, service.folder]) == 0)
                try #require(chmod(service.folder + "/notify", 0o777) == 0)
            }
            try service.start(as: user)
            let exported = try service.kbctl("export", "kantaibert", source)
            #expect(exported.status == 0, "\(exported)")
        }

        func client() throws -> VarlinkClient { try service.client() }

        /// Expects that nothing of an import is left and that the service still answers.
        func expectNothingLeft(generations: Int = 1, _ location: SourceLocation = #_sourceLocation) throws {
            let deadline = Date(timeIntervalSinceNow: 300)
            func left() throws -> [String] {
                try FileManager.default.contentsOfDirectory(atPath: service.folder).filter { $0.hasPrefix(".import") }
                    + (try FileManager.default.contentsOfDirectory(atPath: service.folder + "/transfer"))
                    + (try FileManager.default.contentsOfDirectory(atPath: service.folder + "/models")).filter {
                        $0.hasPrefix(".")
                    }
            }
            while try !left().isEmpty, Date() < deadline { usleep(20_000) }
            #expect(try left() == [], sourceLocation: location)
            #expect(try receipt().generation == generations, sourceLocation: location)
            // The service has closed the connections and files of the import.
            let open = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(service.processIdentifier)/fd")
            #expect(open.count < 200, sourceLocation: location)
        }

        func receipt() throws -> InferenceInterface.Provenance {
            try client().call(InferenceInterface.FillMask.self, .init(text: "the old <mask>")).receipt
        }

        /// Calls `Import` and sends the given descriptors.
        func send(_ names: [String], _ descriptors: [Int32]) throws -> ManagerInterface.Import.Reply? {
            let replies = try client().callMore(
                ManagerInterface.Import.self, .init(model: "kantaibert", files: names))
            let transfer = try #require(try replies.next()?.transfer)
            let socket = OpenDescriptor(try UnixAddress.connect(to: transfer))
            try DescriptorPassing.send(descriptors, over: socket.number)
            var last: ManagerInterface.Import.Reply?
            while let reply = try replies.next() { last = reply }
            return last
        }
    }

    private func reason(_ body: () throws -> Void) -> String {
        do {
            try body()
            return "nothing was thrown"
        } catch let error as ManagerInterface.ImportRefused {
            return error.reason
        } catch let error as ManagerInterface.TransferFailed {
            return error.reason
        } catch {
            return "\(error)"
        }
    }

    @Test("A file that is not a regular file of valid size is rejected with one clear error and without leftovers")
    func rejectsInvalidFiles() throws {
        let prepared = try Prepared()
        let service = prepared.service
        let scratch = service.folder + "/scratch"
        try FileManager.default.createDirectory(atPath: scratch, withIntermediateDirectories: true)
        let config = OpenDescriptor(open(prepared.source + "/config.json", O_RDONLY))

        mkfifo(scratch + "/pipe", 0o600)
        // Open for reading and writing, so that `open` does not wait for another process.
        let pipe = OpenDescriptor(open(scratch + "/pipe", O_RDWR))
        let folder = OpenDescriptor(open(scratch, O_RDONLY | O_DIRECTORY))
        let zero = OpenDescriptor(open("/dev/zero", O_RDONLY))
        for other in [pipe, folder, zero] {
            #expect(
                reason { _ = try prepared.send(["config.json", "model.safetensors"], [config.number, other.number]) }
                    == "model.safetensors is not a regular file")
            try prepared.expectNothingLeft()
        }

        // A sparse file of one terabyte.
        let sparse = OpenDescriptor(open(scratch + "/sparse", O_RDWR | O_CREAT, 0o600))
        try #require(ftruncate(sparse.number, 1 << 40) == 0)
        #expect(
            reason { _ = try prepared.send(["config.json", "model.safetensors"], [config.number, sparse.number]) }
                .hasPrefix("model.safetensors has 1099511627776 bytes, "))
        #expect(
            reason { _ = try prepared.send(["config.json"], [sparse.number]) }.hasPrefix("config.json has "))
        // Within the maximum size, but four times its size exceeds the free disk space.
        var disk = statvfs()
        try #require(statvfs(service.folder, &disk) == 0)
        let free = Int(disk.f_bavail) * Int(disk.f_frsize)
        if free < 60 << 30 {
            try #require(ftruncate(sparse.number, 15 << 30) == 0)
            #expect(
                reason { _ = try prepared.send(["config.json", "model.safetensors"], [config.number, sparse.number]) }
                    .contains("the disk has no room"))
        }

        let writable = OpenDescriptor(open(scratch + "/out", O_WRONLY | O_CREAT, 0o600))
        try #require(ftruncate(writable.number, 10) == 0)
        #expect(
            reason { _ = try prepared.send(["config.json"], [writable.number]) }
                == "config.json: it is not open for reading")
        try prepared.expectNothingLeft()
        #expect(try service.stop().status == 0)
    }

    @Test("Wrong numbers of descriptors and invalid names are rejected")
    func rejectsInvalidDescriptorCounts() throws {
        let prepared = try Prepared()
        let service = prepared.service
        let config = OpenDescriptor(open(prepared.source + "/config.json", O_RDONLY))
        let before = try FileManager.default.contentsOfDirectory(
            atPath: "/proc/\(service.processIdentifier)/fd"
        ).count
        for count in [0, 2, 9, 100, 253] {
            let said = reason {
                _ = try prepared.send(["config.json"], Array(repeating: config.number, count: count))
            }
            let expected =
                count > 73 ? "more than 73 descriptors were received" : "received \(count) descriptors for 1 file names"
            #expect(said == expected)
        }
        try prepared.expectNothingLeft()
        let after = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(service.processIdentifier)/fd").count
        #expect(after < before + 20, "descriptors are leaked: \(before) before, \(after) after")

        for names in [["../../etc/passwd"], ["config.json", "config.json"], ["README.md"], []] {
            let said = reason {
                let replies = try prepared.client().callMore(
                    ManagerInterface.Import.self, .init(model: "kantaibert", files: names))
                _ = try replies.next()
            }
            #expect(
                ["is not one of the accepted files", "twice", "no files"].contains { said.contains($0) }, "\(said)")
        }
        // Without `more`, the service cannot send the socket's path before the result.
        #expect(throws: VarlinkServiceError.expectedMore) {
            try prepared.client().call(
                ManagerInterface.Import.self, .init(model: "kantaibert", files: ["config.json"]))
        }
        try prepared.expectNothingLeft()
        #expect(try service.stop().status == 0)
    }

    @Test("An abandoned import leaves nothing behind; a third concurrent transfer is rejected")
    func cleansUpAbandonedImports() throws {
        let prepared = try Prepared()
        let service = prepared.service
        func begin() throws -> (client: VarlinkClient, transfer: String) {
            let client = try prepared.client()
            let replies = try client.callMore(
                ManagerInterface.Import.self, .init(model: "kantaibert", files: ["config.json"]))
            return (client, try #require(try replies.next()?.transfer))
        }
        var underWay = [try begin(), try begin()]
        #expect(throws: ManagerInterface.TooManyTransfers(limit: 2)) { try begin() }
        // Connected, but nothing is sent.
        let silent = OpenDescriptor(try UnixAddress.connect(to: underWay[0].transfer))
        underWay = []
        try prepared.expectNothingLeft()
        withExtendedLifetime(silent) {}
        // The slots are free again.
        let deadline = Date(timeIntervalSinceNow: 300)
        var imported: ManagerInterface.Import.Reply?
        while imported == nil, Date() < deadline {
            imported = try? prepared.client().importModel("kantaibert", files: NamedFile.all(in: prepared.source))
        }
        #expect(imported?.generation == 2)

        // Leftovers of a kill are deleted at the next start.
        _ = try begin()
        let last = try begin()
        try service.kill()
        withExtendedLifetime(last) {}
        try service.start()
        #expect(try FileManager.default.contentsOfDirectory(atPath: service.folder + "/transfer") == [])
        #expect(try service.stop().status == 0)
    }

    @Test(
        "Root imports into another user's service; the transfer socket rejects other users",
        .needsRoot)
    func rootImportsIntoAnotherUsersServiceAsRoot() throws {
        let prepared = try Prepared(as: AccessTests.user)
        let service = prepared.service
        // Root's files, which the service's user cannot read.
        for name in try FileManager.default.contentsOfDirectory(atPath: prepared.source) {
            chmod("\(prepared.source)/\(name)", 0o600)
        }
        chmod(prepared.source, 0o700)
        let imported = try service.kbctl("import", prepared.source, "--model", "kantaibert")
        #expect(imported.status == 0 && imported.output.contains("kantaibert 2: "), "\(imported)")

        // Connections of other users are closed; that of the caller's user is accepted.
        let client = try prepared.client()
        let files = try NamedFile.all(in: prepared.source)
        let replies = try client.callMore(
            ManagerInterface.Import.self, .init(model: "kantaibert", files: files.map(\.name)))
        let transfer = try #require(try replies.next()?.transfer)
        chmod(transfer, 0o666)
        chmod(service.folder, 0o711)
        // Perl belongs to every Debian.
        let connect = """
            use IO::Socket::UNIX;
            my $socket = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die $!;
            print defined(readline $socket) ? "served" : "closed";
            """
        if FileManager.default.isExecutableFile(atPath: "/usr/bin/perl") {
            let stranger = try Programs.run(
                "/usr/bin/setpriv",
                ["--reuid=41002", "--regid=41002", "--clear-groups", "/usr/bin/perl", "-e", connect, transfer])
            #expect(stranger.output == "closed", "\(stranger)")
        }
        let socket = OpenDescriptor(try UnixAddress.connect(to: transfer))
        defer { withExtendedLifetime((socket, files)) {} }
        try DescriptorPassing.send(files.map(\.file.number), over: socket.number)
        var last: ManagerInterface.Import.Reply?
        while let reply = try replies.next() { last = reply }
        #expect(last?.generation == 3)
        #expect(try service.stop().status == 0)
    }

    @Test("kbctl does not modify the inbox, and rejects irregular files before it calls the service")
    func kbctlDoesNotModifyInbox() throws {
        let prepared = try Prepared()
        let service = prepared.service
        chmod(service.inbox, 0o555)
        let before = try FileManager.default.subpathsOfDirectory(atPath: service.inbox)
        var times = stat()
        try #require(stat(service.inbox, &times) == 0)
        let changed = (times.st_mtim.tv_sec, times.st_mtim.tv_nsec)
        // As in a Hugging Face cache: symbolic links to the files.
        let cache = service.folder + "/cache"
        try FileManager.default.createDirectory(atPath: cache, withIntermediateDirectories: true)
        for name in try FileManager.default.contentsOfDirectory(atPath: prepared.source) {
            try FileManager.default.createSymbolicLink(
                atPath: "\(cache)/\(name)", withDestinationPath: "\(prepared.source)/\(name)")
        }
        let imported = try service.kbctl("import", cache, "--model", "kantaibert")
        #expect(imported.status == 0, "\(imported)")
        #expect(try FileManager.default.subpathsOfDirectory(atPath: service.inbox) == before)
        try #require(stat(service.inbox, &times) == 0)
        #expect((times.st_mtim.tv_sec, times.st_mtim.tv_nsec) == changed)

        unlink(cache + "/tokenizer.json")
        mkfifo(cache + "/tokenizer.json", 0o600)
        let pipe = try service.kbctl("import", cache, "--model", "kantaibert")
        #expect(pipe.status == EX_DATAERR && pipe.error.contains("tokenizer.json is not a regular file"), "\(pipe)")
        unlink(cache + "/tokenizer.json")
        try FileManager.default.createSymbolicLink(
            atPath: cache + "/tokenizer.json", withDestinationPath: "/dev/zero")
        #expect(try service.kbctl("import", cache, "--model", "kantaibert").status == EX_DATAERR)
        chmod(service.inbox, 0o755)
        #expect(try service.stop().status == 0)
    }

    @Test(
        "An export equals the serving files; members who are not administrators are told who may export",
        .needsRoot)
    func administratorsMayExportAsRoot() throws {
        let prepared = try Prepared(
            settings: GateTests.settings(
                steps: 3, more: "socket:\n  group: \(AccessTests.connects)\n  admin_group: \(AccessTests.administers)"))
        let service = prepared.service
        for name in ["config.json", "model.safetensors", "tokenizer.json"] {
            #expect(
                try Data(contentsOf: URL(filePath: "\(prepared.source)/\(name)"))
                    == Data(contentsOf: URL(filePath: "\(service.folder)/models/kantaibert/1/\(name)")))
        }
        #expect(FileManager.default.fileExists(atPath: prepared.source + "/README.md"))
        let member = try AccessTests.kbctl(
            service, groups: [AccessTests.connects], ["export", "kantaibert", "/tmp/\(UUID().uuidString)"])
        #expect(member.status == EX_NOPERM && member.error.contains("only root or a member of the group games"))
        let target = "/tmp/kantaibert-exported-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: target) }
        let administrator = try AccessTests.kbctl(
            service, groups: [AccessTests.connects, AccessTests.administers], ["export", "kantaibert", target])
        #expect(administrator.status == 0, "\(administrator)")
        #expect(FileManager.default.fileExists(atPath: target + "/model.safetensors"))
        #expect(try service.stop().status == 0)
    }
}

extension NamedFile {
    /// Opens the model files in a directory.
    static func all(in directory: String) throws -> [NamedFile] {
        ManagerInterface.Import.fileNames.compactMap { name in
            let number = open("\(directory)/\(name)", O_RDONLY | O_CLOEXEC)
            return number < 0 ? nil : NamedFile(name: name, file: OpenDescriptor(number))
        }
    }
}
