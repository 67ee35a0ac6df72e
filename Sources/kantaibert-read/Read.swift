import ArgumentParser
import CSandbox
import DocumentReading
import Durable
import Formatting
import FoundationEssentials
import Glibc
import TextReading

/// Reads one file that is not plain UTF-8 in a process of its own, so that a crash, a hang or a takeover of a library
/// costs only that file.
@main
struct Read: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kantaibert-read",
        abstract: "Converts a file of any supported format and encoding to plain text.",
        discussion: """
            kantaibertd starts this program for each file that is not plain UTF-8, with a request as JSON in the \
            environment variable \(ReaderRequest.variable). It reads the file from standard input, writes its text to \
            standard output, and reports on descriptor 3; descriptor 4 is a scratch file. It \
            confines itself before it reads the first byte: no network, no files but system libraries, and limits for \
            memory and time.

            Exit status: 0 with a report, whether the file could be used or not; 64 invalid arguments; 71 the process \
            cannot be confined.
            """, version: Release.version)

    func run() throws {
        guard let json = getenv(ReaderRequest.variable) else {
            throw ValidationError("\(ReaderRequest.variable) is not set: kantaibertd starts this program")
        }
        let request: ReaderRequest
        do {
            request = try JSONDecoder().decode(ReaderRequest.self, from: Data(String(cString: json).utf8))
        } catch {
            throw ValidationError("the request: \(error)")
        }
        try limit(request)
        let cause = kb_sandbox_enter()
        guard cause == 0 else {
            say("the process cannot be confined: \(String(cString: strerror(cause)))")
            throw ExitCode(EX_OSERR)
        }
        try answer(try read(request))
    }

    private func read(_ request: ReaderRequest) throws -> ReaderAnswer {
        var reader = DocumentReader(
            options: request.options, scratch: ScratchFile(descriptor: ReaderRequest.Descriptor.scratch.rawValue)
        ) { try writeAll($0, to: .text) }
        do {
            return .read(
                try reader.read(
                    name: request.name,
                    FileRegion(descriptor: ReaderRequest.Descriptor.file.rawValue, bytes: request.bytes)))
        } catch let error as RejectionError {
            return .rejected(reason: error.reason.text)
        } catch is NoScratchSpace {
            return .noSpace
        }
    }

    private func answer(_ answer: ReaderAnswer) throws {
        try Array(JSONEncoder().encode(answer)).withUnsafeBytes { try writeAll($0, to: .answer) }
    }

    /// Sets limits that no code of this process can raise again.
    private func limit(_ request: ReaderRequest) throws {
        let limits = request.limits
        try limit(RLIMIT_CORE, 0)
        // At the lower limit, a signal tells what happened.
        try limit(RLIMIT_CPU, limits.seconds(forBytes: request.bytes), grace: 1)
        // The scratch file holds a member of an archive and its text. Without the signal, a write beyond the limit fails.
        signal(SIGXFSZ, SIG_IGN)
        try limit(RLIMIT_FSIZE, 4 * min(request.options.maxExpandedBytes, Int.max / 8))
        try limit(RLIMIT_NOFILE, 64)
        // AddressSanitizer reserves terabytes.
        if dlsym(nil, "__asan_init") == nil { try limit(RLIMIT_AS, limits.memoryBytes) }
    }

    /// - Parameter grace: by how much the limit that ends the process exceeds the one that signals it
    private func limit(_ resource: __rlimit_resource, _ value: Int, grace: Int = 0) throws {
        let kind = __rlimit_resource_t(resource.rawValue)
        var limit = rlimit()
        var result = getrlimit(kind, &limit)
        limit.rlim_max = min(limit.rlim_max, rlim_t(max(0, value) + grace))
        limit.rlim_cur = min(limit.rlim_max, rlim_t(max(0, value)))
        if result == 0 { result = setrlimit(kind, &limit) }
        guard result == 0 else {
            say("setrlimit: \(String(cString: strerror(errno)))")
            throw ExitCode(EX_OSERR)
        }
    }
}

private func writeAll(_ bytes: UnsafeRawBufferPointer, to descriptor: ReaderRequest.Descriptor) throws {
    do {
        try Durable.write(bytes, to: descriptor.rawValue, path: "\(descriptor)")
    } catch {
        // Nobody reads the output any more.
        throw ExitCode(EX_IOERR)
    }
}

private func say(_ message: String) {
    let line = Array("kantaibert-read: \(message)\n".utf8)
    _ = write(STDERR_FILENO, line, line.count)
}
