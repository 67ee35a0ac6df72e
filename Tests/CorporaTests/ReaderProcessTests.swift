import Corpora
import Durable
import Foundation
import Glibc
import Synchronization
import TestSupport
import Testing
import TextReading

/// The service's side of `kantaibert-read`, with programs in its place that fail in every way.
@Suite struct ReaderProcessTests {
    let scratch: Scratch

    init() throws { scratch = try Scratch() }

    private func store(_ program: String, _ limits: ReaderLimits = .init()) throws -> CorpusStore {
        let store = CorpusStore(
            directory: scratch.corpus, inbox: scratch.inbox, reader: program, readerLimits: limits, rejectedLimits: nil)
        try store.prepare()
        return store
    }

    /// Another process writes the program: a process that another test starts meanwhile would otherwise inherit the open
    /// file, and it could not be run until that process has started its own program (ETXTBSY).
    private func script(_ body: String) throws -> String {
        let path = "\(scratch.path)/reader"
        let text = URL(filePath: path + ".text")
        try Data("#!/bin/sh\n\(body)\n".utf8).write(to: text)
        let copy = try Process.run(
            URL(filePath: "/usr/bin/install"), arguments: ["-m", "755", text.path, path])
        copy.waitUntilExit()
        try #require(copy.terminationStatus == 0)
        try FileManager.default.removeItem(at: text)
        return path
    }

    /// A file that is not UTF-8, so that a reader is started.
    private func drop() throws -> InboxFile { try scratch.drop("a.txt", [0x47, 0x72, 0xFC, 0xDF, 0x65, 0x0A]) }

    private func answer(bytes: Int, warnings: [String] = []) throws -> String {
        let warnings = String(decoding: try JSONEncoder().encode(warnings), as: UTF8.self)
        return """
            {"read":{"_0":{"bytes":\(bytes),"documents":1,"replacedBytes":0,"isStructured":false,\
            "format":"plain text","encoding":"windows-1252","warnings":\(warnings)}}}
            """
    }

    private func reason(_ body: String, _ limits: ReaderLimits = .init()) throws -> String? {
        guard case .rejected(let reason) = try store(try script(body), limits).admit(try drop()) else { return nil }
        #expect(try scratch.names(scratch.corpus).isEmpty, "nothing is left in the store")
        return reason.text
    }

    @Test func admitsWhatTheReaderWrites() throws {
        let body = "printf 'Grüße\\n'; printf '%s' '\(try answer(bytes: 8))' >&3"
        guard case .admitted(let corpus) = try store(try script(body)).admit(try drop()) else {
            Issue.record("not admitted")
            return
        }
        #expect(scratch.text(corpus.path) == "Grüße\n")
    }

    @Test func crashCostsTheFileOnly() throws {
        #expect(try reason("kill -SEGV $$")?.contains("signal 11") == true)
        #expect(try reason("exit 72")?.contains("status 72") == true)
    }

    @Test func hangEndsAtTheLimit() throws {
        var limits = ReaderLimits()
        (limits.seconds, limits.secondsPerMegabyte, limits.idleSeconds) = (0, 0, 1)
        let began = ContinuousClock.now
        #expect(try reason("sleep 1000", limits)?.contains("did nothing for 1 seconds") == true)
        #expect(ContinuousClock.now - began < .seconds(300))
    }

    /// Waiting for it would hold up all other files.
    @Test func processThatOutlivesItsAnswerIsEnded() throws {
        let body = "printf abc; printf '%s' '\(try answer(bytes: 3))' >&3; exec >&- 3>&-; exec sleep 1000"
        #expect(try reason(body)?.contains("signal 9") == true)
    }

    @Test(arguments: ["no JSON", "{}", ""])
    func malformedAnswerIsRejected(text: String) throws {
        #expect(try reason("printf x; printf '%s' '\(text)' >&3")?.contains("gave no valid answer") == true)
    }

    @Test func endlessAnswerIsRejected() throws {
        #expect(try reason("exec yes >&3")?.contains("gave no valid answer") == true)
    }

    @Test(arguments: ["printf '\\377'", "printf 'a\\000b'", "printf '\\303'"])
    func invalidTextIsRejected(command: String) throws {
        let body = "\(command); printf '%s' '\(try answer(bytes: 1))' >&3"
        #expect(try reason(body)?.contains("its reader wrote invalid text") == true)
    }

    @Test func textOfAnotherLengthIsRejected() throws {
        #expect(
            try reason("printf abc; printf '%s' '\(try answer(bytes: 4))' >&3")?
                .contains("its reader wrote invalid text") == true)
    }

    @Test func endlessTextIsLimited() throws {
        var options = ReadingOptions()
        options.maxExpandedBytes = 1 << 20
        guard case .rejected(let reason) = try store(try script("exec yes")).admit(try drop(), options) else {
            Issue.record("not rejected")
            return
        }
        #expect(reason.text.contains("inbox.max_expanded_bytes"))
    }

    @Test func warningsOfTheReaderAreBounded() throws {
        let many = (0..<100).map { "\($0)\u{1B}" + String(repeating: "x", count: 2000) }
        let json = try answer(bytes: 1, warnings: many)
        try Data(json.utf8).write(to: URL(filePath: "\(scratch.path)/answer"))
        guard
            case .admitted(let corpus) = try store(try script("printf a; cat \(scratch.path)/answer >&3")).admit(
                try drop())
        else {
            Issue.record("not admitted")
            return
        }
        #expect(corpus.warnings.count <= 16)
        #expect(corpus.warnings.allSatisfy { $0.utf8.count <= 512 && !$0.contains("\u{1B}") })
    }

    @Test func missingProgramLeavesTheFile() throws {
        let store = try store("\(scratch.path)/nothing")
        let file = try drop()
        #expect(throws: DurableError.self) { try store.admit(file) }
        #expect(FileSignature(path: file.path) == file.signature)
    }

    @Test func programThatCannotBeConfinedLeavesTheFile() throws {
        let store = try store(try script("exit \(EX_OSERR)"))
        let file = try drop()
        #expect(throws: DurableError.self) { try store.admit(file) }
        #expect(FileSignature(path: file.path) == file.signature)
    }

    /// Otherwise a file that took the process over would be read again and again.
    @Test(arguments: ["printf x; exit \(EX_OSERR)", "printf x >&3; exit \(EX_OSERR)", "printf '{\"noSpace\":{}}' >&3"])
    func claimsThatCannotBeTrueCostTheFile(body: String) throws {
        #expect(try reason(body)?.contains("kantaibert-read") == true)
    }

    @Test func cancellationEndsTheProcess() throws {
        let store = try store(try script("echo $$ >\(scratch.path)/id; exec sleep 1000"))
        let file = try drop()
        let idFile = "\(scratch.path)/id"
        let result = try store.admit(file) { FileManager.default.fileExists(atPath: idFile) }
        #expect(result == .interrupted)
        let id = try #require(scratch.text(idFile).flatMap { pid_t($0.filter(\.isNumber)) })
        #expect(kill(id, 0) != 0, "the process is still running")
    }

    @Test func plainTextStartsNoProcess() throws {
        let store = try store("\(scratch.path)/nothing")
        guard case .admitted = try store.admit(try scratch.drop("b.txt", "Grüße\n")) else {
            Issue.record("not admitted")
            return
        }
    }

    /// The program stops when nobody reads its output, and is then looked at from outside.
    @Test func programConfinesItself() async throws {
        let path = "\(scratch.path)/big.txt"
        try Data(repeating: 0xE4, count: 1 << 20).write(to: URL(filePath: path))
        let request = ReaderRequest(name: "big.txt", bytes: 1 << 20, options: .init(), limits: .init())
        let process = Process()
        process.executableURL = URL(filePath: "/bin/sh")
        // Descriptor 1 is a pipe that is full before the text ends.
        process.arguments = [
            "-c", "exec 3>/dev/null 4<>\"$2\"; exec \"$1\"", "sh", BuiltProgram.path(of: "kantaibert-read"),
            "\(scratch.path)/unpacked",
        ]
        process.environment = [
            ReaderRequest.variable: String(decoding: try JSONEncoder().encode(request), as: UTF8.self)
        ]
        process.standardInput = try FileHandle(forReadingFrom: URL(filePath: path))
        process.standardOutput = Pipe()
        process.standardError = FileHandle.nullDevice
        try process.run()
        defer { process.terminate() }
        var status = ""
        while process.isRunning, !status.contains("Seccomp:\t2") {
            status = scratch.text("/proc/\(process.processIdentifier)/status") ?? ""
            try await Task.sleep(for: .milliseconds(10))
        }
        #expect(status.contains("Seccomp:\t2"))
        #expect(status.contains("NoNewPrivs:\t1"))
    }
}
