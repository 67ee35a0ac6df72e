import ArgumentParser
import Durable
import FoundationEssentials
import Glibc
import Interface
import Synchronization
import Varlink

struct Chat: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Talk to a model in an interactive session.",
        discussion: """
            A model that was trained on conversations replies to each line; it sees the session so far, as much of it as it \
            can read. Any other causal model continues the text: each line is appended to the session so far, and the \
            beginning of a session that is too long for the model is dropped. Arrow keys edit the line and recall earlier \
            ones. Ctrl-C stops an answer, Ctrl-D ends the session, /why shows where the last answer comes from, /new starts a \
            new session, and /help lists the commands.
            """)

    @OptionGroup var sampling: SamplingArguments
    @OptionGroup var model: ModelOption
    @OptionGroup var global: GlobalOptions

    func run() throws {
        let chosen = try chosenModel()
        var session = ChatSession(isConversation: chosen.conversations == true)
        let editor = LineEditor(prompt: "> ")
        if Terminal.isInteractive {
            let does =
                session.isConversation
                ? "\(chosen.name) replies to you"
                : "\(chosen.name) was trained on loose text: it continues what you write"
            let hint = "\(does). Ctrl-C stops an answer, Ctrl-D ends the session; /help"
            for line in hint.wrapped(indent: 0) { Terminal.line(Style.dim(line)) }
        }
        while let line = editor.next() {
            let line = line.trimmed
            let word = line.prefix { !$0.isWhitespace }
            let rest = String(line.dropFirst(word.count)).trimmed
            switch word {
            case "": continue
            case "/new":
                session.clear()
                Terminal.line(Style.dim("a new session"))
            case "/exit", "/quit": return
            case "/help": help(session)
            case "/save": save(session, rest)
            case "/why": try explain(session, chosen.name)
            case "/system" where session.isConversation:
                session.system = rest.isEmpty ? nil : rest
                Terminal.line(Style.dim(rest.isEmpty ? "no system message" : "the system message is set"))
            case _ where line.hasPrefix("//"): try answer(String(line.dropFirst()), &session, chosen.name)
            case _ where line.hasPrefix("/"):
                Terminal.printError("kbctl: there is no command ‘\(word)’; /help lists them. Nothing was sent")
            default: try answer(line, &session, chosen.name)
            }
        }
    }

    /// Checked before the first prompt: the service answers, and has a causal model.
    private func chosenModel() throws -> ManagerInterface.Model {
        let models = try global.connect().call(ManagerInterface.ListModels.self, .init()).models
        if let name = model.model {
            guard let named = models.first(where: { $0.name == name }) else {
                throw InferenceInterface.ModelNotFound(model: name, available: models.map(\.name))
            }
            guard named.objective == .clm else { throw Failure(unsuited: named) }
            return named
        }
        let causal = models.filter { $0.objective == .clm }
        guard let first = causal.first(where: { $0.conversations == true }) ?? causal.first else {
            throw Failure("no causal model (objective: clm) is configured; chat needs one", status: EX_CONFIG)
        }
        return first
    }

    private func help(_ session: ChatSession) {
        Terminal.paragraph("start a new session", lead: "/new          ", indent: 14)
        if session.isConversation {
            Terminal.paragraph(
                "set the system message, which holds for the whole session; without TEXT, remove it",
                lead: "/system TEXT  ", indent: 14)
        }
        Terminal.paragraph(
            "show which parts of the last answer occur verbatim in the corpora, and where", lead: "/why          ",
            indent: 14)
        Terminal.paragraph(
            "write the session to a file, as JSON that the inbox takes", lead: "/save FILE    ", indent: 14)
        Terminal.paragraph("end the session, like Ctrl-D", lead: "/exit         ", indent: 14)
        Terminal.paragraph("send a line that begins with one slash", lead: "//TEXT        ", indent: 14)
        Terminal.paragraph("↵ in pasted text is a line end; all of it is sent as one message", lead: "", indent: 14)
    }

    private func save(_ session: ChatSession, _ path: String) {
        guard !path.isEmpty else { return Terminal.printError("kbctl: /save takes the name of a file") }
        do {
            try Durable.create(path, with: Array(try session.json()))
            Terminal.paragraph("saved in \(path)")
        } catch {
            let reason = (error as? DurableError).map { String(cString: strerror($0.errno)) } ?? "\(error)"
            Terminal.printError("kbctl: \(path) cannot be written: \(reason)")
        }
    }

    private func explain(_ session: ChatSession, _ name: String) throws {
        guard let answer = session.lastAnswer else { return Terminal.printError("kbctl: there is no answer yet") }
        do {
            let reply = try global.connect().search(InferenceInterface.Trace.self, .init(text: answer, model: name))
            if global.json { try Terminal.json(reply) } else { TraceReport(text: answer, reply: reply).print() }
        } catch {
            // The session goes on.
            guard let failure = Failure(error), failure.status != EX_UNAVAILABLE else { throw error }
            Terminal.printError("kbctl: \(failure.message)")
        }
    }

    private func answer(_ line: String, _ session: inout ChatSession, _ name: String) throws {
        let said = session
        session.add(.user, line)
        while true {
            do {
                return try speak(&session, name)
            } catch let error as InferenceInterface.PromptTooLong {
                // Drops the oldest lines until the rest fits. Of a conversation, the service leaves them out itself.
                guard !session.isConversation, session.forgetOldest() else {
                    session = said
                    return Terminal.printError("kbctl: \(Failure(error)?.message ?? "\(error)")")
                }
            } catch let failure where Failure(failure)?.status == EX_TEMPFAIL {
                session = said
                return Terminal.printError("kbctl: \(Failure(failure)?.message ?? "\(failure)")")
            }
        }
    }

    private func speak(_ session: inout ChatSession, _ name: String) throws {
        // One connection per answer: closing it cancels the answer.
        let client = try global.connect()
        if session.isConversation {
            let parameters = InferenceInterface.Chat.Parameters(
                messages: session.messages, model: name, sampling: sampling.value)
            if global.json {
                let reply = try client.call(InferenceInterface.Chat.self, parameters)
                session.add(.assistant, reply.text)
                return try Terminal.json(reply)
            }
            let replies = try client.callMore(InferenceInterface.Chat.self, parameters)
            var omitted = 0
            let answer = try show(replies) { reply in
                omitted = reply.omittedMessages ?? 0
                return (reply.text, reply.finishReason != nil)
            }
            session.add(.assistant, answer)
            if omitted > 0 {
                let oldest = omitted == 1 ? "oldest message" : "oldest \(Format.count(omitted)) messages"
                Terminal.printError("the session is longer than the model can read: it has not seen the \(oldest)")
            }
            return
        }
        let parameters = InferenceInterface.Generate.Parameters(
            prompt: session.text, model: name, sampling: sampling.value)
        if global.json {
            let reply = try client.call(InferenceInterface.Generate.self, parameters)
            session.add(.assistant, reply.text)
            return try Terminal.json(reply)
        }
        let replies = try client.callMore(InferenceInterface.Generate.self, parameters)
        session.add(.assistant, try show(replies) { ($0.text, $0.finishReason != nil) })
    }

    /// Prints the pieces of an answer as they arrive, and returns the answer.
    /// - Parameter piece: returns the text of a reply, and whether it is the last
    private func show<Method>(
        _ replies: VarlinkReplies<Method>, _ piece: (Method.Reply) -> (text: String, isLast: Bool)
    ) throws -> String {
        let interrupt = Interrupt()
        defer { interrupt.end() }
        var answer = ""
        var screen = FlowingText()
        while !interrupt.hasCome {
            guard try replies.wait(for: .milliseconds(100)) else { continue }
            guard let reply = try replies.next() else { break }
            let (text, isLast) = piece(reply)
            let shown = answer.isEmpty ? String(text.drop { $0.isWhitespace }) : text
            answer += shown
            screen.write(shown)
            // The service sends nothing after it.
            if isLast { break }
        }
        Terminal.write(interrupt.hasCome ? "^C\n" : "\n")
        return answer
    }
}

/// The lines and answers of the session, oldest first.
private struct ChatSession {
    let isConversation: Bool
    /// What holds for the whole session.
    var system: String?
    private var said: [InferenceInterface.Message] = []

    init(isConversation: Bool) { self.isConversation = isConversation }

    var messages: [InferenceInterface.Message] { (system.map { [.init(role: .system, content: $0)] } ?? []) + said }

    var lastAnswer: String? { said.last { $0.role == .assistant }?.content }

    /// The session as one text.
    var text: String { said.map(\.content).joined(separator: "\n") }

    mutating func add(_ role: InferenceInterface.Message.Role, _ text: String) {
        said.append(.init(role: role, content: text))
    }

    mutating func clear() { (said, system) = ([], nil) }

    /// - Returns: false if only the newest line is left
    mutating func forgetOldest() -> Bool {
        guard said.count > 1 else { return false }
        said.removeFirst()
        return true
    }

    /// The session as a conversation that the inbox takes.
    func json() throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(["messages": messages]) + Data("\n".utf8)
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
