import ArgumentParser
import Durable
import Formatting
import Glibc
import Interface
import Varlink

struct Put: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Add files to the inbox, to train on them.",
        discussion: """
            The files are read with your permissions, copied to the service's inbox, and not modified. They feed all \
            models, or only that of --model. What becomes of each is printed: admitted, duplicate (the same text was \
            admitted before), rejected with the reason, or waiting. The exit status is 65 if one was rejected, and 75 if one \
            waits. kbctl corpora preview shows beforehand what would be learned from a file.
            """)

    @Argument(help: ArgumentHelp("The files.", valueName: "file"), completion: .file()) var files: [String]
    @Option(
        name: .shortAndLong, help: ArgumentHelp("The only model to feed; by default all.", valueName: "name"),
        completion: .models)
    var model: String?
    @Flag(help: "Do not wait until the files have been read.") var noWait = false

    @OptionGroup var global: GlobalOptions

    /// Files that are sent together.
    private static let mostTogether = 64

    func run() throws {
        // Nothing is sent if one of them cannot be.
        let paths = files.map(OwnProgram.path(ofArgument:))
        for path in paths { _ = try open(path) }
        let client = try global.connect()
        var states: [ManagerInterface.Received.State] = []
        var rest = paths[...]
        while !rest.isEmpty {
            let batch = try rest.prefix(Self.mostTogether).map(open)
            rest = rest.dropFirst(batch.count)
            states += try send(batch, over: client)
        }
        if states.contains(.rejected) { throw ExitCode(EX_DATAERR) }
        if states.contains(.waiting) { throw ExitCode(EX_TEMPFAIL) }
    }

    /// Opens a file for reading. Follows symbolic links.
    private func open(_ path: String) throws -> UploadedFile {
        let shown = RawPath.shown(path)
        // O_NONBLOCK: opening a FIFO without a writer would block forever.
        let number = path.withRawPath { Glibc.open($0, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) }
        guard number >= 0 else {
            throw Failure("\(shown) cannot be read: \(String(cString: strerror(errno)))", status: EX_NOINPUT)
        }
        let file = OpenDescriptor(number)
        var status = stat()
        guard fstat(number, &status) == 0, status.st_mode & S_IFMT != S_IFDIR else {
            throw Failure("\(shown) is a directory; name the files in it", status: EX_NOINPUT)
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw Failure("\(shown) is not a regular file", status: EX_NOINPUT)
        }
        return UploadedFile(
            name: shown.split(separator: "/").last.map(String.init) ?? shown, bytes: Int(status.st_size), file: file)
    }

    /// - Returns: what has become of the files
    private func send(_ batch: [UploadedFile], over client: VarlinkClient) throws -> [ManagerInterface.Received.State] {
        var screen = UploadScreen(
            batch.map { ($0.name, $0.bytes) }, isInteractive: Terminal.isInteractive && !global.json)
        var states = [ManagerInterface.Received.State?](repeating: nil, count: batch.count)
        defer { screen.erase() }
        do {
            try client.put(batch, into: model, wait: !noWait) { index, sent in
                screen.draw(index, sent)
            } receive: { received in
                guard states.indices.contains(received.index) else { return }
                states[received.index] = received.state
                guard received.state != .received || noWait else {
                    return screen.drawWaiting(states.count { $0 == .received || $0 == nil })
                }
                screen.erase()
                if global.json { return try Terminal.json(received) }
                show(received)
            }
        } catch let error as UploadTruncated {
            screen.erase()
            throw Failure("\(error.name) became shorter while it was sent; it was not added", status: EX_DATAERR)
        } catch {
            let count = states.count { $0 != nil }
            guard count > 0, let failure = Failure(error) else { throw error }
            throw Failure(
                "\(failure.message); \(MessageFormat.count(count, "file")) of \(batch.count) had been added",
                status: failure.status)
        }
        screen.erase()
        let unread = states.count { $0 == .received }
        if !noWait, unread > 0 {
            Terminal.printError(
                "kbctl: the service is stopping; \(MessageFormat.count(unread, "file")) in the inbox will be read when it "
                    + "has started again")
        }
        return states.map { $0 ?? .received }
    }

    private func show(_ file: ManagerInterface.Received) {
        let sha256 = file.sha256.map { " \($0.prefix(12))" } ?? ""
        let text =
            switch file.state {
            case .received: "added to the inbox"
            case .admitted: "admitted as\(sha256)"
            case .duplicate: "duplicate: the same text was admitted before, as\(sha256)"
            case .rejected: "rejected: \(file.reason ?? "no reason was given")"
            case .waiting: "waits in the inbox and is tried again: \(file.reason ?? "no reason was given")"
            }
        Terminal.paragraph("\(file.name): \(text)")
        for warning in file.warnings ?? [] { Terminal.paragraph(warning, lead: "  \(Style.yellow("!")) ", indent: 4) }
    }
}

/// The progress of sending files, on one line of a terminal.
private struct UploadScreen {
    private let files: [(name: String, bytes: Int)]
    private let total: Int
    /// The bytes of the files before each.
    private let before: [Int]
    private let isInteractive: Bool
    private var drawn: ContinuousClock.Instant?

    init(_ files: [(name: String, bytes: Int)], isInteractive: Bool) {
        self.files = files
        self.isInteractive = isInteractive
        var before: [Int] = []
        var sum = 0
        for file in files {
            before.append(sum)
            sum = sum.addingReportingOverflow(file.bytes).partialValue
        }
        self.before = before
        total = sum
    }

    mutating func draw(_ index: Int, _ sent: Int) {
        // The eye does not follow more than a few lines a second.
        guard isInteractive, drawn.map({ $0.duration(to: .now) > .milliseconds(100) }) ?? true else { return }
        let done = before[index] + sent
        let share = total > 0 ? Double(done) / Double(total) : 1
        put("\(files[index].name): \(Format.percent(share)), \(Format.bytes(done)) of \(Format.bytes(total))")
    }

    mutating func drawWaiting(_ count: Int) {
        guard isInteractive else { return }
        put(
            "\(MessageFormat.count(count, "file")) in the inbox: waiting until the service has read \(count == 1 ? "it" : "them")"
        )
    }

    private mutating func put(_ text: String) {
        Terminal.write("\r\u{1B}[2K" + Terminal.visible(text).cut(to: max(1, (Terminal.columns ?? 80) - 1)))
        drawn = .now
    }

    mutating func erase() {
        guard drawn != nil else { return }
        Terminal.write("\r\u{1B}[2K")
        drawn = nil
    }
}
