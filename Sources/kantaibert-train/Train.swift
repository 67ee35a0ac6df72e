import ArgumentParser
import Durable
import FoundationEssentials
import Glibc
import Jobs
import Training

/// One training run, a process of its own: it may be killed by the kernel, a bug or its owner, and serving goes on.
@main
struct Train: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kantaibert-train", abstract: "Trains one model as a job file says.",
        subcommands: [Run.self, Evaluate.self, Check.self, Convert.self])
}

struct Run: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Trains, or goes on training, and publishes the model.",
        discussion: """
            Events come out of standard output, one JSON object a line. Where standard input is a pipe or a socket, it \
            takes the words pause, resume and checkpoint, one a line; its end, and SIGTERM, mean: write a checkpoint \
            and leave.

            Exit status: 0 published, 75 interrupted with a checkpoint, 65 bad data, 78 bad job, 70 anything else.
            """)

    @Argument(help: "The job, a JSON file.", completion: .file(extensions: ["json"]))
    var job: String

    @OptionGroup var standing: Standing

    func run() throws {
        try withJob(job, standing) { job, control, output in
            let trainer = Trainer(
                job: job, control: control, memoryLimit: standing.memoryLimit, diskReserve: standing.diskReserve,
                lockSeconds: 30, report: output.write, note: say)
            if case .interrupted = try trainer.run() { throw ExitCode(EX_TEMPFAIL) }
        }
    }
}

/// - Parameter path: of `job.json`
func readJob(_ path: String) throws(TrainingError) -> Job {
    do {
        return try Job.decode(Data(Durable.read(path, atMost: 1 << 28)))
    } catch let error as JobError {
        throw .job(error)
    } catch {
        throw .job(JobError(key: "", expected: "a file that can be read", found: "\(error)"))
    }
}

extension TrainingError {
    var exitCode: ExitCode {
        switch self {
        case .job, .noBFloat16, .tooLittleMemory, .tooLittleSpace: ExitCode(EX_CONFIG)
        case .data, .corpus, .tokenizer, .tooFewSamples, .foreignCheckpoint, .damagedCheckpoint: ExitCode(EX_DATAERR)
        case .model, .file, .notFinite, .other: ExitCode(EX_SOFTWARE)
        }
    }
}

/// A line for people, on standard error.
func say(_ message: String) {
    let line = Array("kantaibert-train: \(message)\n".utf8)
    line.withUnsafeBytes { _ = write(STDERR_FILENO, $0.baseAddress, $0.count) }
}
