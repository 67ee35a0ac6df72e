import ArgumentParser
import Jobs
import Training

/// Runs the work of a command on a job: applies the process limits, handles signals and commands, reports errors as
/// events and sets the exit status.
/// - Parameter listensToInput: whether the end of standard input makes the run stop
func withJob(
    _ path: String, _ processLimits: ProcessLimits, listensToInput: Bool = true,
    _ work: (Job, RunControl, EventOutput) throws -> Void
) throws {
    processLimits.apply()
    let control = RunControl()
    listenForSignals(control)
    if listensToInput { listenToStandardInput(control) }
    let output = EventOutput { control.leave() }
    do {
        try work(readJob(path), control, output)
    } catch let status as ExitCode {
        throw status
    } catch {
        let error = TrainingError(error)
        output.write(.failed(.init(message: "\(error)", corpus: error.corpus)))
        say("\(error)")
        throw error.exitCode
    }
}
