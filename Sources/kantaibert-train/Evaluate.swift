import ArgumentParser
import Glibc
import Jobs
import Training

struct Evaluate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Asks published models for what is held out of a job.",
        discussion: """
            For each model directory comes an event `judged` out of standard output, with bits a byte that can be compared \
            whatever the tokenizers, or with what is wrong with it. The end of standard input, where it is a pipe or a \
            socket, and SIGTERM end it.

            Exit status: 0 all are judged, 75 interrupted, 65 bad data, 78 bad job, 70 anything else.
            """)

    @Argument(help: "The job, a JSON file.", completion: .file(extensions: ["json"]))
    var job: String

    @Argument(help: "The model directories.", completion: .directory)
    var models: [String]

    @OptionGroup var standing: Standing

    func run() throws {
        try withJob(job, standing) { job, control, output in
            do {
                try Judge(job: job, control: control, report: output.write, note: say).judge(models)
            } catch is Judge.Interrupted {
                throw ExitCode(EX_TEMPFAIL)
            }
        }
    }
}
