import ArgumentParser
import Glibc
import Interface
import Synchronization
import Varlink

struct Chat: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Continue texts in an interactive session.",
        discussion: """
            Each line is appended to the session so far, and the model continues it; the beginning of a session that \
            is too long for the model is dropped. Arrow keys edit the line and recall earlier ones. Ctrl-C stops an \
            answer, Ctrl-D ends the session, /new starts a new one, and /help lists the commands.
            """)

    @OptionGroup var sampling: SamplingArguments
    @OptionGroup var model: ModelOption
    @OptionGroup var global: GlobalOptions

    func run() throws {
        var session = ChatSession()
        let editor = LineEditor(prompt: "> ")
        // Checked before the first prompt: the service answers, and has a causal model.
        let models = try global.connect().call(ManagerInterface.ListModels.self, .init()).models
        if let name = model.model, let other = models.first(where: { $0.name == name && $0.objective != .clm }) {
            throw Failure(unsuited: other)
        }
        if model.model == nil, !models.contains(where: { $0.objective == .clm }) {
            throw Failure("no causal model (objective: clm) is configured; chat needs one", status: EX_CONFIG)
        }
        if Terminal.isInteractive {
            let hint = "Ctrl-C stops an answer, Ctrl-D ends the session; /help"
            for line in hint.wrapped(indent: 0) { Terminal.line(Style.dim(line)) }
        }
        while let line = editor.next() {
            switch line.trimmed {
            case "": continue
            case "/new": session = ChatSession()
            case "/quit": return
            case "/help":
                Terminal.line("/new     start a new session")
                Terminal.line("/quit    end the session, like Ctrl-D")
                Terminal.paragraph("a line that begins with a slash, after another slash", lead: "//text  ", indent: 8)
            case let line where line.hasPrefix("//"): try answer(String(line.dropFirst()), &session)
            case let line where line.hasPrefix("/"):
                let word = line.prefix { !$0.isWhitespace }
                Terminal.printError("kbctl: there is no command ‘\(word)’; /help lists them. Nothing was sent")
            case let line: try answer(line, &session)
            }
        }
    }

    private func answer(_ line: String, _ session: inout ChatSession) throws {
        let said = session
        session.add(line)
        while true {
            do {
                return try speak(&session)
            } catch let error as InferenceInterface.PromptTooLong {
                // Drops the oldest lines until the rest fits.
                guard session.forgetOldest() else {
                    session = said
                    return Terminal.printError("kbctl: \(Failure(error)?.message ?? "\(error)")")
                }
            } catch let failure where Failure(failure)?.status == EX_TEMPFAIL {
                session = said
                return Terminal.printError("kbctl: \(Failure(failure)?.message ?? "\(failure)")")
            }
        }
    }

    private func speak(_ session: inout ChatSession) throws {
        // One connection per answer: closing it cancels the answer.
        let client = try global.connect()
        let parameters = InferenceInterface.Generate.Parameters(
            prompt: session.prompt, model: model.model, sampling: sampling.value)
        if global.json {
            let reply = try client.call(InferenceInterface.Generate.self, parameters)
            session.add(reply.text)
            return try Terminal.json(reply)
        }
        let interrupt = Interrupt()
        defer { interrupt.end() }
        let replies = try client.callMore(InferenceInterface.Generate.self, parameters)
        var answer = ""
        var screen = FlowingText()
        while !interrupt.hasCome {
            guard try replies.wait(for: .milliseconds(100)) else { continue }
            guard let reply = try replies.next() else { break }
            let text = answer.isEmpty ? String(reply.text.drop { $0.isWhitespace }) : reply.text
            answer += text
            screen.write(text)
            // The last reply; the service sends nothing after it.
            if reply.finishReason != nil { break }
        }
        Terminal.write(interrupt.hasCome ? "^C\n" : "\n")
        session.add(answer)
    }
}

/// The lines and answers of the session, oldest first.
private struct ChatSession {
    private var lines: [String] = []

    var prompt: String { lines.joined(separator: "\n") }

    mutating func add(_ line: String) { lines.append(line) }

    /// - Returns: false if only the newest line is left
    mutating func forgetOldest() -> Bool {
        guard lines.count > 1 else { return false }
        lines.removeFirst()
        return true
    }
}

/// Records SIGINT instead of ending the program, for the lifetime of this value.
private final class Interrupt {
    private static let come = Atomic(false)

    init() {
        Self.come.store(false, ordering: .relaxed)
        signal(SIGINT) { _ in Interrupt.come.store(true, ordering: .relaxed) }
    }

    var hasCome: Bool { Self.come.load(ordering: .relaxed) }

    func end() { signal(SIGINT, SIG_DFL) }
}

extension String {
    fileprivate var trimmed: String {
        var text = self[...]
        while text.first?.isWhitespace == true { text.removeFirst() }
        while text.last?.isWhitespace == true { text.removeLast() }
        return String(text)
    }
}
