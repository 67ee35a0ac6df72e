import AsyncSupport
import Foundation
import Glibc
import Supervision
import Testing

struct LimitedCommandTests {
    private func run(
        _ command: [String], _ environment: [String: String] = [:], seconds: Double = 300,
        _ flag: CancellationFlag = .init()
    ) async -> (ending: LimitedCommand.Ending, output: String) {
        await LimitedCommand(command: command, environment: environment, seconds: seconds).run(flag)
    }

    @Test func returnsStatusAndOutput() async {
        let (ending, output) = await run(["/bin/sh", "-c", "echo out; echo err >&2; exit 3"])
        #expect(ending == .status(3) && output == "out\nerr\n")
        #expect(await run(["/bin/sh", "-c", "kill -TERM $$"]).ending == .signal(SIGTERM))
    }

    /// Arguments are passed as they are, because no shell reads them.
    @Test func usesNoShell() async {
        #expect(await run(["/bin/echo", "$HOME; exit 3", "a  b"]).output == "$HOME; exit 3 a  b\n")
    }

    @Test func hasOnlyItsOwnEnvironmentAndDescriptors() async throws {
        // Inherited by every program that does not close it.
        let file = open("/dev/null", O_RDONLY)
        try #require(file > 2)
        defer { close(file) }
        let list = "cat /proc/$$/environ | tr '\\0' '\\n'; ls /proc/$$/fd; cat"
        let (ending, output) = await run(["/bin/sh", "-c", list], ["KB_RUN": "a-1", "KB_REASON": "a 'b' = c"])
        #expect(ending == .status(0))
        #expect(output == "KB_REASON=a 'b' = c\nKB_RUN=a-1\n0\n1\n2\n", "\(output)")
    }

    @Test func keepsTheEndOfItsOutput() async {
        let (ending, output) = await run(["/bin/sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' x; echo end"])
        #expect(ending == .status(0) && output.utf8.count == 2_048 && output.hasSuffix("xend\n"))
    }

    @Test func isKilledWithWhatItStartedWhenItsTimeIsUp() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "command-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let (ending, _) = await run(
            ["/bin/sh", "-c", "trap '' TERM; sleep 1000 & echo $! > \(folder)/child; wait"], ["PATH": "/usr/bin:/bin"],
            seconds: 1)
        #expect(ending == .tookTooLong(seconds: 1))
        let text = try String(contentsOfFile: folder + "/child", encoding: .utf8)
        let child = try #require(pid_t(text.trimmingCharacters(in: .newlines)))
        // Killed; it may be a zombie until init has reaped it.
        let deadline = Date(timeIntervalSinceNow: 300)
        func state() -> Substring? {
            (try? String(contentsOfFile: "/proc/\(child)/stat", encoding: .utf8))?.split(separator: ")").last?.prefix(2)
        }
        while let state = state(), state != " Z", Date() < deadline { usleep(1_000) }
        #expect(Date() < deadline)
    }

    @Test func isKilledWhenItIsCancelled() async {
        let flag = CancellationFlag()
        flag.cancel()
        #expect(await run(["/bin/sleep", "1000"], [:], seconds: 300, flag).ending == .cancelled)
    }

    @Test func saysWhyItCannotBeStarted() async {
        #expect(await run(["/none/program"]).ending == .notStarted(errno: ENOENT))
        #expect(await run(["/etc/passwd"]).ending == .notStarted(errno: EACCES))
        #expect(
            "\(LimitedCommand.Ending.notStarted(errno: ENOENT))" == "it cannot be started: No such file or directory")
    }
}
