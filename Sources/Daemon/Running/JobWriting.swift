import Durable
import FoundationEssentials
import Jobs
import Database
import Settings
import TextFilters

extension Job {
    /// Whether the other job produces the same model, apart from names. A job that starts from another generation does
    /// not.
    package func isSameWork(as other: Job) -> Bool {
        func work(_ job: Job) -> Job {
            var job = job
            (job.run, job.generation, job.runDirectory, job.outputDirectory) = ("", 0, "", "")
            // A resumed run keeps its decisions, and jobs of older versions have no such file.
            job.machineFile = nil
            job.start?.corpora.sort()
            job.corpora.sort { $0.sha256 < $1.sha256 }
            for index in job.corpora.indices { job.corpora[index].received = nil }
            return job
        }
        return work(self) == work(other)
    }
}

extension StateDirectory {
    /// Creates the job of a new run.
    /// - Parameter corpora: the corpora to train on, in the order of admission
    func makeJob(run: String, model: ModelSettings, corpora: [JobCorpus]) -> Job {
        let number = (generations(of: model.name).last ?? 0) + 1
        return Job(
            run: run, model: model.name, generation: number,
            objective: model.objective, architecture: model.architecture, recipe: model.recipe, corpora: corpora,
            samples: model.samplesOfJob, filters: model.filters, tokenizer: model.tokenizer,
            wordCountsDirectory: wordCounts, machineFile: machine,
            runDirectory: self.run(run),
            outputDirectory: generation(number, of: model.name))
    }

    /// Writes `job.json` of a new run.
    /// - Throws: `DurableError`
    func write(_ job: Job) throws {
        try Durable.makeDirectory(self.run(job.run))
        try Durable.write(try JobCoding.encode(job, pretty: true), to: self.job(of: job.run))
    }

    /// Removes temporary files that crashed processes of a run have left.
    func clearLeftovers(of job: Job) throws(DurableError) {
        try TemporaryName.clearLeftovers(in: self.run(job.run))
        try TemporaryName.clearLeftovers(in: self.model(job.model))
    }

    /// Adopts the directory of an earlier run, with its checkpoints, for `job` if both do the same work.
    ///
    /// If the process is killed meanwhile, the directory has one of the two names and contains the new job.
    /// - Returns: false if the work differs or there is no checkpoint to continue from
    func adoptCheckpoints(_ earlier: String, for job: Job) throws -> Bool {
        let folder = run(earlier)
        guard let old = try? readJob(of: earlier), job.isSameWork(as: old),
            RunEnding.read(folder)?.goesOn ?? true,
            try FileManager.default.contentsOfDirectory(atPath: folder).contains(where: { $0.hasPrefix("checkpoint-") }
            ),
            !FileManager.default.fileExists(atPath: run(job.run))
        else { return false }
        try Durable.write(try JobCoding.encode(job, pretty: true), to: self.job(of: earlier))
        try Durable.removeTree("\(folder)/ended.json")
        try FileManager.default.moveItem(atPath: folder, toPath: run(job.run))
        try Durable.syncDirectory(runs)
        return true
    }

    /// Reads the job of a run.
    /// - Throws: `DurableError` if the file cannot be read, `JobError` if its contents are invalid
    func readJob(of run: String) throws -> Job {
        try Job.decode(Data(try Durable.read(self.job(of: run))))
    }
}

extension JobCorpus {
    /// - Throws: `DecodingError` if the recorded filters are invalid
    init(_ corpus: CorpusRecord, in directory: StateDirectory) throws {
        self.init(
            sha256: corpus.sha256, name: corpus.name, path: "\(directory.corpus)/\(corpus.sha256)",
            bytes: corpus.bytes, samples: corpus.isStructured ? .records : nil,
            filters: try corpus.filters.map { try JobCoding.decode([TextFilter].self, from: Data($0.utf8)) },
            received: corpus.received)
    }
}
