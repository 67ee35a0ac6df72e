import Foundation
import Testing

/// Runs `make install` into a temporary directory, with stub programs, and checks the result with systemd's own tools.
@Suite(
    .enabled(if: Tool.exists("/usr/bin/systemd-analyze"), "systemd-analyze is missing"),
    .enabled(if: Tool.exists("/usr/bin/make"), "make is missing"))
struct UnitTests {
    private let scratch: Installation

    init() throws { scratch = try Installation() }

    @Test func unitsPassSystemdAnalyze() throws {
        try scratch.install()
        // Stubs of the units that ours refer to, so that only ours are checked.
        let system = "/usr/lib/systemd/system"
        for name in try FileManager.default.contentsOfDirectory(atPath: system)
        where name.hasSuffix(".target") || name.hasSuffix(".slice") {
            try? FileManager.default.copyItem(
                atPath: "\(system)/\(name)", toPath: scratch("usr/lib/systemd/system/\(name)"))
        }
        // The shell used by ExecReload.
        try FileManager.default.createDirectory(atPath: scratch("bin"), withIntermediateDirectories: true)
        try FileManager.default.copyItem(atPath: "/usr/bin/true", toPath: scratch("bin/sh"))
        let verdict = try Tool.run(
            "/usr/bin/systemd-analyze", "verify", "--root=\(scratch.root)", "kantaibertd.service", "kantaibertd.socket",
            "kantaibert-web.service", "kantaibert-web.socket")
        #expect(verdict.status == 0)
        #expect(verdict.output == "")
    }

    @Test(arguments: ["kantaibertd.service", "kantaibert-web.service"]) func serviceIsSandboxed(unit: String) throws {
        try scratch.install()
        let verdict = try Tool.run(
            "/usr/bin/systemd-analyze", "security", "--offline=true", "--threshold=10", "--no-pager",
            scratch("usr/lib/systemd/system/\(unit)"))
        #expect(verdict.status == 0, "\(verdict.output)")
    }

    /// The unit limits its memory, so that the system keeps some, and reclaims memory before the limit is reached.
    @Test func serviceLimitsItsMemory() throws {
        try scratch.install()
        let unit = try scratch.text("usr/lib/systemd/system/kantaibertd.service").split(separator: "\n")
        func percent(_ key: String) -> Int? {
            unit.first { $0.hasPrefix(key + "=") }.flatMap { Int($0.dropFirst(key.count + 1).dropLast()) }
        }
        let (high, most) = (try #require(percent("MemoryHigh")), try #require(percent("MemoryMax")))
        #expect(high < most && most < 100)
    }

    @Test func filesAreInstalledInTheirPlaces() throws {
        let output = try scratch.install()
        for program in ["kantaibertd", "kantaibert-train", "kantaibert-read", "kbctl", "kantaibert-web", "kb-bench"] {
            #expect(try Tool.run(scratch("usr/bin/\(program)")).status == 0, "\(output)")
        }
        let unit = try scratch.text("usr/lib/systemd/system/kantaibertd.service")
        #expect(unit.contains("\nExecStart=/usr/bin/kantaibertd\n"))
        #expect(!unit.contains("/usr/local"))
        #expect(try scratch.text("usr/lib/sysusers.d/kantaibert.conf").contains("u kantaibert "))
        #expect(try scratch.text("usr/lib/tmpfiles.d/kantaibert.conf").contains("/var/lib/kantaibert/inbox 3770 "))
    }

    /// Members of the group may pass through to the inbox. kantaibert-web may use only the inbox; its token is for administrators.
    @Test func stateDirectoriesArePrivate() throws {
        try scratch.install()
        let service = try scratch.text("usr/lib/systemd/system/kantaibertd.service")
        for line in ["UMask=0007", "StateDirectoryMode=0710"] { #expect(service.contains("\n\(line)\n")) }
        let tmpfiles = try scratch.text("usr/lib/tmpfiles.d/kantaibert.conf")
        #expect(tmpfiles.contains("d /var/lib/kantaibert       0710 kantaibert kantaibert -"))
        #expect(
            try scratch.text("usr/lib/tmpfiles.d/kantaibert-web.conf")
                .contains("d /var/lib/kantaibert-web   2750 kantaibert-web kantaibert-admin -"))
        for name in ["kantaibert", "kantaibert-web"] {
            let users = try scratch.text("usr/lib/sysusers.d/\(name).conf")
            #expect(users.contains("\ng kantaibert-admin -\n"))
            #expect(!users.contains("m kantaibert-web kantaibert-admin"))
        }
        let page = try scratch.text("usr/lib/systemd/system/kantaibert-web.service")
        for line in [
            "Group=kantaibert-web", "SupplementaryGroups=kantaibert", "TemporaryFileSystem=/var/lib/kantaibert:ro",
            "BindPaths=-/var/lib/kantaibert/inbox",
        ] {
            #expect(page.contains("\n\(line)\n"))
        }
    }

    @Test func installKeepsExistingSettings() throws {
        try scratch.install()
        let settings = scratch("etc/kantaibert/kantaibert.yaml")
        #expect(try scratch.text("etc/kantaibert/kantaibert.yaml").contains("models:"))
        try "models: [mine]\n".write(toFile: settings, atomically: true, encoding: .utf8)
        #expect(try scratch.install().contains("kept as it is"))
        #expect(try scratch.text("etc/kantaibert/kantaibert.yaml") == "models: [mine]\n")
    }

    /// systemd passes the socket with this name, and the service looks for it by this name.
    @Test func socketUnitMatchesTheClients() throws {
        try scratch.install()
        let socket = try scratch.text("usr/lib/systemd/system/kantaibertd.socket")
        for line in ["ListenStream=/run/kantaibert/io.kantaibert", "FileDescriptorName=varlink", "SocketMode=0660"] {
            #expect(socket.contains("\n\(line)\n"))
        }
    }
}

private final class Installation {
    static let repository = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path()
    let folder = FileManager.default.temporaryDirectory.appending(path: "install-\(UUID().uuidString)").path()
    var root: String { "\(folder)/root" }

    init() throws {
        try FileManager.default.createDirectory(atPath: "\(folder)/build", withIntermediateDirectories: true)
        for program in ["kantaibertd", "kantaibert-train", "kantaibert-read", "kbctl", "kantaibert-web", "kb-bench"] {
            try FileManager.default.copyItem(atPath: "/usr/bin/true", toPath: "\(folder)/build/\(program)")
        }
    }

    @discardableResult
    func install() throws -> String {
        let result = try Tool.run(
            "/usr/bin/make", "-C", Installation.repository, "install", "DESTDIR=\(root)", "PREFIX=/usr",
            "BUILD=\(folder)/build")
        try #require(result.status == 0, "\(result.output)")
        return result.output
    }

    func callAsFunction(_ path: String) -> String { "\(root)/\(path)" }

    func text(_ path: String) throws -> String { try String(contentsOfFile: self(path), encoding: .utf8) }

    deinit { try? FileManager.default.removeItem(atPath: folder) }
}

private enum Tool {
    static func exists(_ path: String) -> Bool { FileManager.default.isExecutableFile(atPath: path) }

    /// - Returns: the exit status, and standard output and standard error combined
    static func run(_ program: String, _ arguments: String...) throws -> (status: Int32, output: String) {
        let process = Process()
        let pipe = Pipe()
        process.executableURL = URL(filePath: program)
        process.arguments = arguments
        process.standardOutput = pipe
        process.standardError = pipe
        // If `make test` runs this test, its flags must not reach the make being tested.
        process.environment = ProcessInfo.processInfo.environment.filter {
            !$0.key.hasPrefix("MAKE") && $0.key != "MFLAGS"
        }
        try process.run()
        let output = try pipe.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: output, as: UTF8.self))
    }
}
