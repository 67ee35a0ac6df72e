import Foundation
import Glibc
import Interface
import TestSupport
import Testing
import Varlink

/// The state directory must be private to the service, and clients must verify whom they connect to.
@Suite(
    "The state directory and its socket", .serialized, .timeLimit(.minutes(30)),
    .enabled(if: Programs.areBuilt, "\(Programs.missing)"))
struct StateDirectoryTests {
    /// Files that the tests create, and files that are meant for other users.
    private static let others: Set = [
        "kantaibert.yaml", "log", "notify", "kbctl", "inbox", "io.kantaibert", "transfer", "elsewhere",
    ]

    private func entries(_ service: RunningService) throws -> [(path: String, mode: mode_t)] {
        try FileManager.default.contentsOfDirectory(atPath: service.folder).sorted()
            .filter { !Self.others.contains($0) }.compactMap { name in
                var status = stat()
                let path = "\(service.folder)/\(name)"
                guard lstat(path, &status) == 0 else {
                    // The service has renamed a temporary file since the directory was listed.
                    try #require(errno == ENOENT)
                    return nil
                }
                return (path, status.st_mode & 0o7777)
            }
    }

    private func served(as user: Int? = nil) throws -> RunningService {
        let service = try RunningService(settings: GateTests.settings(steps: 3))
        try service.serve("mlm", as: "kantaibert")
        try service.start(as: user)
        let events = try service.watch()
        try service.drop("a.txt", Grammar.text(lines: 50, seed: 3).utf8)
        _ = try events.first("corpus_admitted")
        return service
    }

    @Test("Folders are 0700 and files 0600; wider permissions of an older version are fixed and reported once")
    func setsPrivatePermissions() throws {
        let service = try served()
        var found = try entries(service)
        #expect(found.count >= 7, "\(found)")
        for name in [
            "corpus", "models", "runs", "metrics.db", "metrics.db-wal", "metrics.db-shm", "corpora.jsonl", "lock",
        ] {
            #expect(found.contains { $0.path == "\(service.folder)/\(name)" }, "\(name)")
        }
        for entry in found { #expect(entry.mode & 0o077 == 0, "\(entry)") }
        #expect(try service.stop().status == 0)

        found = try entries(service)
        var folders = 0
        for entry in found {
            var status = stat()
            try #require(stat(entry.path, &status) == 0)
            let isFolder = status.st_mode & S_IFMT == S_IFDIR
            if isFolder { folders += 1 }
            chmod(entry.path, isFolder ? 0o750 : 0o640)
        }
        try service.start()
        for entry in try entries(service) { #expect(entry.mode & 0o077 == 0, "\(entry)") }
        #expect(service.logText.contains("\(folders) folders and \(found.count - folders) files"), "\(service.logText)")
        #expect(try service.stop().status == 0)
        try service.start()
        // One report each for the first start (the model folder made by this test) and the second; none for the third.
        #expect(service.logText.components(separatedBy: "was open to others").count == 3)
        #expect(try service.stop().status == 0)
    }

    @Test(
        "Another user, even in the service's group, can neither read nor lock the files",
        .needsRoot)
    func otherUsersCannotReadOrLockAsRoot() throws {
        let service = try served()
        let files = try entries(service).map(\.path) + [service.folder + "/models/kantaibert/1/config.json"]
        // In root's group, which owns the files.
        let other = ["/usr/bin/setpriv", "--reuid=41001", "--regid=0", "--clear-groups"]
        for path in files {
            #expect(try Programs.command(other + ["/usr/bin/test", "-r", path]) != 0, "\(path) can be read")
            #expect(
                try Programs.command(other + ["/usr/bin/flock", "-n", "-s", path, "true"]) != 0, "\(path) can be locked"
            )
        }
        _ = try service.client().call(InferenceInterface.FillMask.self, .init(text: "the <mask>"))
        #expect(try service.stop().status == 0)
    }

    @Test(
        "kbctl rejects another user's ./var, and a socket on which another user listens",
        .needsRoot,
        .enabled(if: access(ServiceSocket.system, F_OK) != 0, "needs a machine without a running system service"))
    func kbctlRejectsUntrustedSocketsAsRoot() throws {
        let service = try RunningService(settings: EndToEndTests.smallest)
        try #require(chown(service.folder, uid_t(AccessTests.user), gid_t(AccessTests.user)) == 0)
        try #require(chmod(service.folder + "/notify", 0o777) == 0)
        try service.start(as: AccessTests.user)
        let work = "\(service.folder)-work"
        try FileManager.default.createDirectory(atPath: work, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: work) }
        func kbctl(_ arguments: String...) throws -> Programs.Output {
            let words = ["--unset=KANTAIBERT_SOCKET", "--chdir=\(work)", Programs.folder + "/kbctl"] + arguments
            return try Programs.run("/usr/bin/env", words)
        }
        // First a link to the other user's folder, then the folder itself.
        try FileManager.default.createSymbolicLink(atPath: work + "/var", withDestinationPath: service.folder)
        var refused = try kbctl("status")
        #expect(refused.status == EX_NOPERM && refused.error.contains("is not a directory"), "\(refused)")
        unlink(work + "/var")
        try #require(rename(service.folder, work + "/var") == 0)
        refused = try kbctl("status")
        #expect(refused.status == EX_NOPERM && refused.error.contains("belongs to another user"), "\(refused)")
        #expect(refused.error.contains("--socket"))
        // With an explicit path, the owner of the path is accepted.
        let named = try kbctl("status", "--socket", "./var/io.kantaibert")
        #expect(named.status == 0, "\(named)")
        // A socket and folder owned by a third user, on which the second user listens.
        for path in [work + "/var/io.kantaibert", work + "/var"] { try #require(chown(path, 41_003, 41_003) == 0) }
        refused = try kbctl("status", "--socket", "./var/io.kantaibert")
        #expect(refused.status == EX_NOPERM && refused.error.contains("is not its owner"), "\(refused)")
        try #require(chown(work + "/var", uid_t(AccessTests.user), gid_t(AccessTests.user)) == 0)
        try #require(rename(work + "/var", service.folder) == 0)
        #expect(try service.stop().status == 0)
    }
}
