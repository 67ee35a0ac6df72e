import Events
import Formatting
import Settings
import Supervision
import Varlink

extension EventJournal {
    /// Reports that a process crashed and will be restarted.
    /// - Parameter run: the run that the process trains, or a description of its other work
    func report(_ death: RunSupervisor.Crash, of run: String, model: String, _ settings: TrainingSettings) {
        let cause = RunSupervisor.describe(death.cause, death.lastLines)
        report(
            ServiceEvent(
                .runDied,
                "\(run) died (\(cause)); restart \(death.restart) of \(settings.maxRestarts) in "
                    + "\(MessageFormat.duration(death.waitSeconds))",
                model: model, run: run, corpus: death.corpus,
                fields: [
                    "reason": .string(death.cause), "restart": .int(death.restart),
                    "last_lines": .array(death.lastLines.map(JSONValue.string)),
                ]))
    }
}

extension RunSupervisor {
    /// - Parameter program: the path of `kantaibert-train`
    init(program: String, settings: Settings, directory: StateDirectory) {
        // If the size of the file system cannot be read, a later write reports the error.
        let reserve = (try? settings.retention.reserve(at: directory.root)) ?? 0
        self.init(program: program, configuration: .init(settings.training, diskReserve: reserve))
    }
}

extension RunSupervisor.Configuration {
    init(_ settings: TrainingSettings, diskReserve: Int) {
        self.init(
            maxRestarts: settings.maxRestarts, restartWaitSeconds: settings.restartWaitSeconds,
            stopSeconds: settings.stopSeconds, stallSeconds: settings.stallSeconds, nice: settings.nice,
            oomScoreAdjust: settings.oomScoreAdjust, memoryLimit: settings.memoryLimit, diskReserve: diskReserve,
            launcher: settings.launcher)
    }
}
