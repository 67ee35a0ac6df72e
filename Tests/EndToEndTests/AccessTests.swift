import Foundation
import Glibc
import Interface
import TestSupport
import Testing

/// Tests with other user ids. Root can take any id; the ids need no entry in /etc/passwd.
@Suite(
    "Access control", .serialized, .timeLimit(.minutes(30)),
    .enabled(if: Programs.areBuilt, "\(Programs.missing)"))
struct AccessTests {
    static let user = 41_001
    static let connects = "users"
    static let administers = "games"

    static let settings =
        EndToEndTests.smallest + """

            socket:
              group: \(connects)
              admin_group: \(administers)
            """

    /// Runs `kbctl` as an unprivileged user who is a member of `groups`.
    static func kbctl(
        _ service: RunningService, groups: [String], _ arguments: [String]
    ) throws -> Programs.Output {
        // Uses a copy, because the user may not have access to the build folder.
        let program = service.folder + "/kbctl"
        if !FileManager.default.fileExists(atPath: program) {
            try FileManager.default.copyItem(atPath: Programs.folder + "/kbctl", toPath: program)
        }
        let identity = ["--reuid=\(user)", "--regid=\(user)"]
        let supplementary = groups.isEmpty ? "--clear-groups" : "--groups=" + groups.joined(separator: ",")
        return try Programs.run(
            "/usr/bin/setpriv", identity + [supplementary, program] + arguments + ["--socket", service.socket])
    }

    @Test("Group membership determines who may connect and who may train", .needsRoot)
    func groupsDetermineAccessAsRoot() throws {
        let service = try RunningService(settings: Self.settings)
        try service.start()
        defer { _ = try? service.stop() }

        let stranger = try Self.kbctl(service, groups: [], ["status"])
        #expect(stranger.status == EX_NOPERM && stranger.error.contains("permission denied on"), "\(stranger.error)")

        let asks = [Self.connects]
        #expect(try Self.kbctl(service, groups: asks, ["status"]).status == 0)
        let refused = try Self.kbctl(service, groups: asks, ["train"])
        #expect(refused.status == EX_NOPERM, "\(refused.error)")
        #expect(refused.error.contains("only root or a member of the group games may do this"), "\(refused.error)")
        // The call is permitted; it fails only because there is nothing to train on.
        let allowed = try Self.kbctl(service, groups: [Self.connects, Self.administers], ["train"])
        #expect(allowed.status == EX_DATAERR, "\(allowed.error)")
        // Root and the service's user are members of neither group.
        #expect(try service.kbctl("train").status == EX_DATAERR)
        #expect(service.logText.contains("permission denied"))
    }

    @Test("The service's own user may train without being in a group", .needsRoot)
    func serviceUserMayTrainAsRoot() throws {
        let service = try RunningService(settings: EndToEndTests.smallest)
        try #require(chown(service.folder, uid_t(Self.user), gid_t(Self.user)) == 0)
        try #require(chmod(service.folder + "/notify", 0o777) == 0)
        try service.start(as: Self.user)
        defer { _ = try? service.stop() }
        let own = try Self.kbctl(service, groups: [], ["train"])
        #expect(own.status == EX_DATAERR, "\(own.error)")
    }
}
