import FoundationEssentials
import Interface
import Varlink

/// The progress of a run on one line: steps, losses, rate and remaining time.
struct ProgressLine: Equatable {
    var model: String
    var run: String
    var step: Int
    var totalSteps: Int
    var epoch: Double
    var loss: Double?
    var tokensPerSecond: Double?
    var remainingSeconds: Double?
    /// When the run started.
    var started: Date?
    /// Measured by the client that watches the run.
    var stepsPerSecond: Double?

    init(_ run: ManagerInterface.Run) {
        model = run.model
        self.run = run.id
        step = run.step
        totalSteps = run.totalSteps
        epoch = run.epoch
        loss = run.loss
        tokensPerSecond = run.tokensPerSecond
        remainingSeconds = run.remainingSeconds
        started = run.started.flatMap(Format.date)
    }

    /// Returns nil unless the event is a training step.
    init?(_ event: ManagerInterface.Event) {
        guard event.kind == "step", let run = event.run, let step = event.fields["step"]?.number,
            let totalSteps = event.fields["total_steps"]?.number
        else { return nil }
        model = event.model ?? run
        self.run = run
        self.step = Int(step)
        self.totalSteps = Int(totalSteps)
        epoch = event.fields["epoch"]?.number ?? 0
        loss = event.fields["loss"]?.number
        tokensPerSecond = event.fields["tokens_per_second"]?.number
        remainingSeconds = event.fields["remaining_seconds"]?.number
    }

    /// `assistant ━━━━──── 218/3216 · 7 % · 01:24 < 19:39 · 2.5 it/s · epoch 0.07 · loss 5.4321 · 1812 tokens/s`
    ///
    /// - Parameter columns: width of the screen. The bar takes the space left by the figures; figures are dropped from
    ///   the end.
    func text(columns: Int?, now: Date = Date()) -> String {
        let share = totalSteps > 0 ? min(1, Double(step) / Double(totalSteps)) : 0
        var figures = ["\(step)/\(totalSteps)", "\(Int(share * 100)) %"]
        let left = remainingSeconds.map(Format.clock)
        switch (started, left) {
        case (let started?, let left?): figures.append("\(Format.clock(now.timeIntervalSince(started))) < \(left)")
        case (nil, let left?): figures.append("\(left) left")
        default: break
        }
        if let stepsPerSecond { figures.append("\(Format.number(stepsPerSecond, 1)) it/s") }
        figures.append("epoch \(Format.number(epoch, 2))")
        if let loss { figures.append("loss \(Format.number(loss, 4))") }
        if let tokensPerSecond { figures.append("\(Format.number(tokensPerSecond, 0)) tokens/s") }

        let room = columns ?? 120
        func line() -> Int { model.cells + 1 + figures.joined(separator: " · ").cells }
        while figures.count > 2 && line() + 11 > room { figures.removeLast() }
        let width = min(40, room - line() - 1)
        let text = figures.joined(separator: " · ")
        guard width >= 4 else { return "\(model) \(text)".cut(to: room) }
        let done = Int(share * Double(width))
        let bar =
            Style.green(String(repeating: "━", count: done)) + Style.dim(String(repeating: "─", count: width - done))
        return "\(model) \(bar) \(text)"
    }
}

extension JSONValue {
    /// The value of a JSON number; nil for any other value.
    var number: Double? {
        switch self {
        case .int(let value): Double(value)
        case .double(let value): value
        default: nil
        }
    }
}
