import ArgumentParser
import Jobs
import Training

/// What each command that works on a job has round its work: its place, its ears, its events, and the status it ends with.
func withJob(
    _ path: String, _ standing: Standing, _ work: (Job, RunControl, EventOutput) throws -> Void
) throws {
    standing.assume()
    let control = RunControl()
    listenForSignals(control)
    listenToStandardInput(control)
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
