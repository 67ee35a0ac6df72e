import Durable
import FoundationEssentials
import Jobs
import Metrics
import TextFilters

extension StateDirectory {
    /// The job of a run that begins.
    /// - Parameter corpora: what to learn from, in the order of admission
    func makeJob(run: String, model: ModelSettings, corpora: [JobCorpus]) -> Job {
        let number = (generations(of: model.name).last ?? 0) + 1
        return Job(
            run: run, model: model.name, generation: number,
            objective: model.objective, architecture: model.architecture, recipe: model.recipe, corpora: corpora,
            samples: model.samples, filters: model.filters, tokenizer: model.tokenizer, wordCountsDirectory: wordCounts,
            runDirectory: self.run(run),
            outputDirectory: generation(number, of: model.name))
    }

    /// - Throws: `DurableError`; nothing of the job is left then.
    func write(_ job: Job) throws {
        try Durable.makeDirectory(self.run(job.run))
        try Durable.write(try JobCoding.encode(job, pretty: true), to: self.job(of: job.run))
    }

    /// Removes what dead processes of a run have left half written.
    func clearLeftovers(of job: Job) throws(DurableError) {
        try TemporaryName.clearLeftovers(in: self.run(job.run))
        try TemporaryName.clearLeftovers(in: self.model(job.model))
    }

    /// - Throws: `DurableError` where there is no such file, `JobError` where it cannot be used.
    func readJob(of run: String) throws -> Job {
        try Job.decode(Data(try Durable.read(self.job(of: run))))
    }
}

extension JobCorpus {
    /// - Throws: where the filters recorded with it are not such
    init(_ corpus: CorpusRecord, in directory: StateDirectory) throws {
        self.init(
            sha256: corpus.sha256, name: corpus.name, path: "\(directory.corpus)/\(corpus.sha256)",
            bytes: corpus.bytes, samples: corpus.isStructured ? .records : nil,
            filters: try corpus.filters.map { try JobCoding.decode([TextFilter].self, from: Data($0.utf8)) })
    }
}
