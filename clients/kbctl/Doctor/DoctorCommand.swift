import ArgumentParser
import Glibc
import Interface
import Varlink

struct Doctor: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check the machine and the installation, and say how to fix problems.",
        discussion: """
            The service's measurements take a second or two. A line that starts with ! is a problem; the line below it \
            says how to fix it. The exit status is 0 if the service answers, whatever is found, and 69 if it does not.
            """)

    @OptionGroup var global: GlobalOptions

    func run() throws {
        let path = try global.serviceSocket.path
        var checks = LocalChecks.all(socket: path)
        var unanswered: (any Error)?
        do {
            checks += try global.connect().call(ManagerInterface.Doctor.self, .init()).checks
        } catch {
            let failure = Failure(error)
            checks.append(
                .init(name: "service", state: .warning, finding: "does not answer", advice: failure?.message))
            unanswered = failure ?? error
        }
        if global.json {
            try Terminal.json(ManagerInterface.Doctor.Reply(checks: checks))
        } else {
            show(checks)
        }
        if let unanswered { throw ExitCode(Failure(unanswered)?.status ?? EX_UNAVAILABLE) }
    }

    private func show(_ checks: [ManagerInterface.Check]) {
        let width = checks.map(\.name.cells).max() ?? 0
        for check in checks {
            let mark = check.state == .ok ? Style.green("✓") : Style.yellow("!")
            let indent = width + 4
            Terminal.paragraph(check.finding, lead: "\(mark) \(check.name.padded(to: width))  ", indent: indent)
            guard let advice = check.advice else { continue }
            Terminal.paragraph(advice, lead: String(repeating: " ", count: indent) + "→ ", indent: indent + 2)
        }
    }
}
