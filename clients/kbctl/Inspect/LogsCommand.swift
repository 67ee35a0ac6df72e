import ArgumentParser
import Glibc
import Interface
import Varlink

struct Logs: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show the service's log.",
        discussion: """
            Runs journalctl for the unit kantaibertd. Without systemd, with --events and with a socket other than the \
            unit's, shows the events that the service has recorded; no permission for the journal is needed for these.
            """)

    @Flag(name: .shortAndLong, help: "Go on with new lines as they are written.") var follow = false
    @Option(name: [.customShort("n"), .long], help: ArgumentHelp("Begin with the last n lines.", valueName: "n"))
    var lines = 50
    @Flag(help: "Show the recorded events instead of the journal.") var events = false
    @Flag(help: "Only warnings and errors.") var warnings = false

    @OptionGroup var global: GlobalOptions

    func validate() throws {
        guard (0...1_000_000).contains(lines) else { throw ValidationError("--lines is from 0 to 1000000") }
    }

    func run() throws {
        if !events, !global.json, try isUnit() { try showJournal() }
        // Subscribed before the recorded events are read, so that none is missed in between.
        let watched = follow ? try global.connect().callMore(ManagerInterface.Watch.self, .init()) : nil
        let recorded = try recorded()
        for event in recorded { try show(event) }
        guard let watched else { return }
        let known = recorded.suffix(1000)
        while let event = try watched.next()?.event {
            // Steps are shown by ‘kbctl watch’ and not recorded.
            guard event.kind != "step", isShown(event), !known.contains(where: { isSame($0, event) }) else { continue }
            try show(event)
        }
        throw Failure("the service has stopped", status: EX_UNAVAILABLE)
    }

    /// Whether the socket is that of a unit whose log is in the journal of this machine.
    private func isUnit() throws -> Bool {
        guard access("/run/systemd/system", F_OK) == 0, try global.serviceSocket.path.hasPrefix("/run/kantaibert/")
        else { return false }
        let state = Subprocess.output(["systemctl", "show", "kantaibertd.service", "-p", "LoadState", "--value"])
        return state?.hasPrefix("loaded") == true
    }

    private func showJournal() throws -> Never {
        var words = ["journalctl", "--unit=kantaibertd", "--lines=\(lines)"]
        if warnings { words.append("--priority=warning") }
        if follow { words.append("--follow") }
        var arguments = words.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        execvp("journalctl", &arguments)
        throw Failure(
            "journalctl cannot be run: \(String(cString: strerror(errno))); ‘kbctl logs --events’ needs no journal",
            status: EX_UNAVAILABLE)
    }

    /// Returns the last events, oldest first.
    private func recorded() throws -> [ManagerInterface.Event] {
        var events: [ManagerInterface.Event] = []
        guard lines > 0 else { return [] }
        let parameters = ManagerInterface.ListEvents.Parameters(
            level: warnings ? .warning : nil, limit: min(lines, 1000))
        try global.connect().pages(ManagerInterface.ListEvents.self, parameters) { page in
            events += page.events
            return events.count < lines
        }
        return events.prefix(lines).reversed()
    }

    private func isShown(_ event: ManagerInterface.Event) -> Bool {
        !warnings || [.warning, .error].contains(event.level)
    }

    private func isSame(_ one: ManagerInterface.Event, _ other: ManagerInterface.Event) -> Bool {
        one.time == other.time && one.kind == other.kind && one.message == other.message
    }

    private func show(_ event: ManagerInterface.Event) throws {
        if global.json { return try Terminal.json(event) }
        let time = Format.date(event.time).map(Format.dayAndTime) ?? event.time
        let isSevere = event.level == .error
        let mark = isSevere ? Style.red("!") : event.level == .warning ? Style.yellow("!") : " "
        Terminal.paragraph(event.message, lead: "\(Style.dim(time)) \(mark) ", indent: time.count + 3)
    }
}
