import Daemon
import FoundationEssentials
import Glibc
import Testing

/// Permissions left by older versions are restricted at the start.
@Suite struct StatePermissionsTests {
    private let outside = FileManager.default.temporaryDirectory.path + "/permissions-\(UUID().uuidString)"
    private let directory: StateDirectory

    init() throws {
        directory = StateDirectory(root: outside + "/state")
        try FileManager.default.createDirectory(atPath: outside, withIntermediateDirectories: true)
    }

    private func remove() { try? FileManager.default.removeItem(atPath: outside) }

    private func mode(_ path: String) -> mode_t {
        var status = stat()
        return stat(path, &status) == 0 ? status.st_mode & 0o7777 : 0
    }

    @Test func createsFilesWithPrivatePermissions() throws {
        defer { remove() }
        try directory.prepare(models: ["a"])
        #expect(mode(directory.root) == 0o710)
        for path in [directory.corpus, directory.models, directory.runs] { #expect(mode(path) == 0o700, "\(path)") }
        #expect(mode(directory.inbox) & 0o700 == 0o700)
        #expect(try directory.tighten().isEmpty)
    }

    @Test func restrictsPermissionsOfOlderVersionsOnce() throws {
        defer { remove() }
        try directory.prepare(models: ["a"])
        for path in [directory.root, directory.corpus, directory.models, directory.runs] { chmod(path, 0o755) }
        for name in [
            "metrics.db", "metrics.db-wal", "metrics.db.damaged-2026", "corpora.jsonl", "lock", "schedule.json",
            "machine.json",
        ] {
            let path = "\(directory.root)/\(name)"
            close(open(path, O_WRONLY | O_CREAT, 0o644))
            chmod(path, 0o644)
        }
        let inbox = mode(directory.inbox)
        #expect(try directory.tighten() == .init(folders: 4, files: 7))
        #expect(mode(directory.root) == 0o711)
        #expect(mode(directory.corpus) == 0o700)
        #expect(mode(directory.metrics) == 0o600)
        #expect(mode(directory.root + "/metrics.db.damaged-2026") == 0o600)
        #expect(mode(directory.inbox) == inbox)
        #expect(try directory.tighten().isEmpty)
    }

    @Test func linksAreNotFollowedAndPipesAreNotWaitedFor() throws {
        defer { remove() }
        try directory.prepare(models: [])
        close(open(outside + "/theirs", O_WRONLY | O_CREAT, 0o644))
        chmod(outside + "/theirs", 0o644)
        try FileManager.default.createSymbolicLink(
            atPath: directory.schedule, withDestinationPath: outside + "/theirs")
        mkfifo(directory.lock, 0o644)
        #expect(try directory.tighten().isEmpty)
        #expect(mode(outside + "/theirs") == 0o644)
    }

    @Test func leavesUnrelatedFolderReadable() throws {
        defer { remove() }
        try directory.prepare(models: [])
        chmod(directory.root, 0o775)
        let other = directory.root + "/notes.txt"
        close(open(other, O_WRONLY | O_CREAT, 0o644))
        chmod(other, 0o644)
        #expect(try directory.tighten() == .init(folders: 1))
        #expect(mode(directory.root) == 0o755)
        #expect(mode(other) == 0o644)
    }
}
