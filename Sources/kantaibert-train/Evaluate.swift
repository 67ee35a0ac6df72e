import ArgumentParser
import Glibc
import Jobs
import Training

struct Evaluate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Evaluates published models on the held-out text of a job.",
        discussion: """
            Writes an event `judged` for each model directory to standard output. It contains the bits per byte, which \
            are comparable across tokenizers, or the reason the model cannot be evaluated. An event \
            `precisions_measured` follows for each model without the file precision.json: its bits per byte in the \
            precisions in which it can be served. SIGTERM stops the command, and so does the end of standard input if \
            that is a pipe or a socket.

            Exit status: 0 all models were evaluated, 75 interrupted, 65 bad data, 78 bad job, 70 any other error.
            """)

    @Argument(help: "The job file, in JSON.", completion: .file(extensions: ["json"]))
    var job: String

    @Argument(help: "The model directories.", completion: .directory)
    var models: [String]

    @OptionGroup var processLimits: ProcessLimits

    func run() throws {
        try withJob(job, processLimits) { job, control, output in
            do {
                try HeldOutEvaluator(job: job, control: control, report: output.write, note: say).judge(models)
            } catch is HeldOutEvaluator.Interrupted {
                throw ExitCode(EX_TEMPFAIL)
            }
        }
    }
}
