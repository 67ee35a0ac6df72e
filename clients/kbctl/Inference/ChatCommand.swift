import ArgumentParser
import Glibc
import Interface
import Synchronization
import Varlink

struct Chat: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Talk with a model, line by line.",
        discussion: """
            Each line is given to the model behind what was said before, as much of it as the model takes, and the answer \
            is printed as it is made. Arrow keys edit the line and bring back earlier ones; Ctrl-C ends an answer, Ctrl-D \
            the talk. /new begins anew, /help tells what else there is.
            """)

    @OptionGroup var sampling: SamplingOptions
    @OptionGroup var model: ModelOption
    @OptionGroup var global: GlobalOptions

    func run() throws {
        var talk = Talk()
        let editor = LineEditor(prompt: "> ")
        // Before the first line is asked for: that there is a service, and a model that can go on with a text.
        let models = try global.connect().call(ManagerInterface.ListModels.self, .init()).models
        if model.model == nil, !models.contains(where: { $0.objective == .clm }) {
            throw Failure("there is no model that goes on with a text, only ones that fill masks", status: EX_CONFIG)
        }
        if Terminal.isInteractive {
            let hint = "Ctrl-C ends an answer, Ctrl-D the talk; /help"
            for line in hint.wrapped(indent: 0) { Terminal.line(Style.dim(line)) }
        }
        while let line = editor.next() {
            switch line.trimmed {
            case "": continue
            case "/new": talk = Talk()
            case "/quit": return
            case "/help":
                Terminal.line("/new     forget what was said")
                Terminal.line("/quit    end, as Ctrl-D does")
            default: try answer(line.trimmed, &talk)
            }
        }
    }

    private func answer(_ line: String, _ talk: inout Talk) throws {
        let said = talk
        talk.add(line)
        while true {
            do {
                return try speak(&talk)
            } catch let error as InferenceInterface.PromptTooLong {
                // The oldest is forgotten, until what is left fits.
                guard talk.forgetOldest() else {
                    talk = said
                    return Terminal.complain("kbctl: \(Failure(error)?.message ?? "\(error)")")
                }
            } catch let failure where Failure(failure)?.status == EX_TEMPFAIL {
                talk = said
                return Terminal.complain("kbctl: \(Failure(failure)?.message ?? "\(failure)")")
            }
        }
    }

    private func speak(_ talk: inout Talk) throws {
        // A connection for each answer: closing it ends the answer.
        let client = try global.connect()
        let parameters = InferenceInterface.Generate.Parameters(
            prompt: talk.prompt, model: model.model, sampling: sampling.value)
        if global.json {
            let reply = try client.call(InferenceInterface.Generate.self, parameters)
            talk.add(reply.text)
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
            // The last one: nothing comes after it that could be waited for.
            if reply.finishReason != nil { break }
        }
        Terminal.write(interrupt.hasCome ? "^C\n" : "\n")
        talk.add(answer)
    }
}

/// What was said, the oldest first.
private struct Talk {
    private var lines: [String] = []

    var prompt: String { lines.joined(separator: "\n") }

    mutating func add(_ line: String) { lines.append(line) }

    /// - Returns: false where there is only what was said last
    mutating func forgetOldest() -> Bool {
        guard lines.count > 1 else { return false }
        lines.removeFirst()
        return true
    }
}

/// Ctrl-C while it lives: noted, and not the end of the program.
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
