import Foundation
import Testing

@Suite(.timeLimit(.minutes(15)), .enabled(if: KbctlProcess.isBuilt, "kbctl is not built next to the tests"))
struct PreviewTests {
    /// A copy of kbctl in a folder of its own, without the other programs.
    private func withCopy(_ body: (_ program: String, _ folder: String) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "preview-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try install(KbctlProcess.path, as: "\(folder)/kbctl")
        try body("\(folder)/kbctl", folder)
    }

    /// Another process writes the program: a process that another test starts meanwhile would otherwise inherit the open
    /// file, and it could not be run until that process has started its own program (ETXTBSY).
    private func install(_ file: String, as program: String) throws {
        let copy = try Process.run(URL(filePath: "/usr/bin/install"), arguments: ["-m", "755", file, program])
        copy.waitUntilExit()
        try #require(copy.terminationStatus == 0)
    }

    @Test func previewNamesTheMissingProgram() throws {
        try withCopy { program, folder in
            let result = try KbctlProcess.run(["corpora", "preview", "a.txt"], socket: "/none", program: program)
            #expect(result.status == 69 && result.output.isEmpty)
            #expect(result.errors.contains("/kantaibert-train: No such file or directory; install it next to kbctl"))
        }
    }

    @Test func previewRunsTheProgramBesideKbctlWithItsOptions() throws {
        try withCopy { program, folder in
            let script = "#!/bin/sh\nfor word; do echo \"$word\"; done\nexit 65\n"
            try Data(script.utf8).write(to: URL(filePath: "\(folder)/script"))
            try install("\(folder)/script", as: "\(folder)/kantaibert-train")
            let words = [
                "corpora", "preview", "--filters", "keep,lowercase", "--keep", "a-z '", "--json", "--", "-a b",
            ]
            let result = try KbctlProcess.run(words, socket: "/none", program: program)
            #expect(result.status == 65)
            #expect(result.output == "preview\n--filters=keep,lowercase\n--keep=a-z '\n--json\n--\n-a b\n")
            let named = [
                "corpora", "preview", "--min_words", "5", "--max_words=9", "--near_duplicates", "0.8", "--samples",
                "lines", "a",
            ]
            let other = try KbctlProcess.run(named, socket: "/none", program: program)
            #expect(
                other.output == "preview\n--min-words=5\n--max-words=9\n--near-duplicates=0.8\n--samples=lines\n--\na\n"
            )
        }
    }
}
