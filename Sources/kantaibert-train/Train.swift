import ArgumentParser
import Distribution
import Durable
import Formatting
import FoundationEssentials
import Glibc
import Jobs
import Training

/// Runs one training job in its own process, so that a crash or a kill of the run does not affect serving.
@main
struct Train: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kantaibert-train", abstract: "Trains a model as specified by a job file.",
        version: Release.version,
        subcommands: [Run.self, Evaluate.self, Check.self, Convert.self, Preview.self])
}

struct Run: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Trains a model, or resumes its training, and publishes it.",
        discussion: """
            Writes events to standard output, one JSON object per line. SIGTERM, SIGINT and, if standard input is a pipe \
            or a socket, its end make the run write a checkpoint and exit.

            Started several times by mpirun or srun, the processes train one model together (docs/cluster.md). The first \
            one alone reads the corpora, writes files and events, and is told to stop.

            Exit status: 0 published, 75 interrupted with a checkpoint, 65 bad data, 78 bad job, 69 communication with \
            another process failed, 70 any other error.
            """)

    @Argument(help: "The job file, in JSON.", completion: .file(extensions: ["json"]))
    var job: String

    @Flag(
        help: """
            Stop at the end of standard input also when started by mpirun or srun. Without it, standard input does not matter \
            then: batch systems leave it empty.
            """)
    var stopAtEndOfInput = false

    @OptionGroup var processLimits: ProcessLimits

    func run() throws {
        guard let launch = try LaunchedRank.environment() else {
            return try withJob(job, processLimits) { job, control, output in
                try train(job, control, output, team: Team(), introduction: nil)
            }
        }
        processLimits.apply()
        let rank = try LaunchedRank(launch, jobPath: job)
        guard rank.isFirst else { return try rank.follow(memoryLimit: processLimits.memoryLimit) }
        try rank.lead {
            try withJob(job, processLimits, listensToInput: stopAtEndOfInput) { job, control, output in
                try train(job, control, output, team: rank.team, introduction: rank.introduction)
            }
        }
    }

    private func train(
        _ job: Job, _ control: RunControl, _ output: EventOutput, team: Team, introduction: RankIntroduction?
    ) throws {
        let trainer = Trainer(
            job: job, control: control, memoryLimit: processLimits.memoryLimit,
            diskReserve: processLimits.diskReserve,
            lockSeconds: 30, team: team, introduction: introduction, report: output.write, note: say)
        if case .interrupted = try trainer.run() { throw ExitCode(EX_TEMPFAIL) }
    }
}

/// Reads and decodes a job file.
/// - Parameter path: the path of `job.json`
func readJob(_ path: String) throws(TrainingError) -> Job {
    do {
        return try Job.decode(Data(Durable.read(path, atMost: 1 << 28)))
    } catch let error as JobError {
        throw .job(error)
    } catch {
        throw .job(JobError(key: "", expected: "a readable file", found: "\(error)"))
    }
}

extension TrainingError {
    var exitCode: ExitCode {
        switch self {
        case .job, .start, .ranks, .noBFloat16, .tooLittleMemory, .tooLittleSpace: ExitCode(EX_CONFIG)
        case .data, .corpus, .tokenizer, .tooFewSamples, .foreignCheckpoint, .damagedCheckpoint: ExitCode(EX_DATAERR)
        case .model, .file, .notFinite, .other: ExitCode(EX_SOFTWARE)
        case .communication: ExitCode(EX_UNAVAILABLE)
        }
    }
}

/// Prints a message for the user to standard error.
func say(_ message: String) {
    let line = Array("kantaibert-train: \(message)\n".utf8)
    line.withUnsafeBytes { _ = write(STDERR_FILENO, $0.baseAddress, $0.count) }
}
