import ArgumentParser
import Glibc
import Interface
import Varlink

struct Watch: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Follow the service's events and the progress of training.",
        discussion: """
            On a terminal, evaluations are listed in a table above a progress bar; otherwise, plain lines are printed. \
            --exit-when-served is for scripts: it exits with 0 when every model serves and no run is queued or in \
            progress, with 70 when a run has failed, and with 75 when training is paused.
            """)

    @Argument(help: ArgumentHelp("Follow only this run.", valueName: "run"), completion: .runs) var id: String?

    @Flag(help: "Exit when every model serves and no work is left.") var exitWhenServed = false

    @OptionGroup var global: GlobalOptions

    func run() throws {
        let events = try global.connect()
        let replies = try events.callMore(ManagerInterface.Watch.self, .init(run: id))
        let client = try global.connect()
        var screen = WatchScreen(isInteractive: Terminal.isInteractive && !global.json)
        var status = try client.call(ManagerInterface.GetStatus.self, .init())
        if let current = status.run, id == nil || id == current.id {
            screen.begin(current)
            if screen.isInteractive {
                try client.pages(ManagerInterface.GetMetrics.self, .init(run: current.id)) { page in
                    screen.add(page, of: current)
                    return true
                }
            }
        } else if status.run == nil {
            screen.beginIdle(
                waiting: status.queued.count, inbox: status.inboxPending,
                paused: status.models.filter { $0.paused == true }.map(\.name))
        }
        var asked = ContinuousClock.now
        defer { screen.end() }
        func show(_ event: ManagerInterface.Event) throws {
            if global.json {
                try Terminal.json(event)
            } else {
                screen.show(event)
            }
        }
        while true {
            if exitWhenServed, try isServed(status, client) {
                // Prints the remaining events from before the service became idle.
                while try replies.wait(for: .zero), let reply = try replies.next() { try show(reply.event) }
                return
            }
            screen.draw()
            if try replies.wait(for: .seconds(1)) {
                guard let reply = try replies.next() else {
                    throw Failure("the service stopped while it was being watched", status: EX_UNAVAILABLE)
                }
                try show(reply.event)
            }
            if exitWhenServed, asked.duration(to: .now) >= .seconds(1) {
                status = try client.call(ManagerInterface.GetStatus.self, .init())
                asked = .now
            }
        }
    }

    /// - Throws: `Failure` if no work is left and the training of a model has failed
    private func isServed(_ status: ManagerInterface.GetStatus.Reply, _ client: VarlinkClient) throws -> Bool {
        let paused = status.models.filter { $0.paused == true }.map(\.name)
        if status.run == nil, status.inboxPending == 0, let first = status.queued.first,
            status.queued.allSatisfy({ paused.contains($0.model) })
        {
            throw Failure(
                "\(first.id) waits because the training of \(first.model) is paused; ‘kbctl resume \(first.model)’ continues it",
                status: EX_TEMPFAIL)
        }
        let isAtRest =
            status.run == nil && status.queued.isEmpty && status.inboxPending == 0
            && !status.models.contains { $0.state == .waiting || $0.state == .training }
        guard isAtRest else { return false }
        if let failed = status.models.first(where: { $0.state == .failed }) {
            let last = try client.call(ManagerInterface.ListRuns.self, .init(model: failed.name, limit: 1)).runs.first
            throw Failure(
                "training ‘\(failed.name)’ failed: \(last?.reason ?? last?.id ?? "see the journal")",
                status: EX_SOFTWARE)
        }
        return status.models.allSatisfy { $0.generation != nil }
    }
}
