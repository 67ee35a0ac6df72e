import Crypto
import Datasets
import Digests
import Durable
import FoundationEssentials
import Glibc
import Jobs
import Kernels
import TextFilters
import Tokenizers

/// What a run keeps in its folder besides checkpoints: the tokenizer and the token shards, each made once.
struct RunFolder {
    let job: Job

    /// Refuses what cannot be trained on before anything is written.
    init(job: Job) throws {
        self.job = job
        for (index, corpus) in job.corpora.enumerated() {
            guard let flaw = RunFolder.flaw(ofCorpus: corpus.path) else { continue }
            throw JobError(
                key: "corpora[\(index)].path", expected: "a file with text that can be read",
                found: "‘\(corpus.path)’: \(flaw)")
        }
        if let tokenizer = job.tokenizer, access(tokenizer, R_OK | X_OK) != 0 {
            throw JobError(
                key: "tokenizer", expected: "a folder with a tokenizer",
                found: "‘\(tokenizer)’: \(String(cString: strerror(errno)))")
        }
    }

    /// Why there is no text to be read; nil where there may be.
    private static func flaw(ofCorpus path: String) -> String? {
        var status = stat()
        guard access(path, R_OK) == 0, stat(path, &status) == 0 else { return String(cString: strerror(errno)) }
        guard status.st_mode & S_IFMT == S_IFREG else { return "not a file" }
        return status.st_size == 0 ? "an empty file" : nil
    }

    var tokenizerDirectory: String { "\(job.runDirectory)/tokenizer" }

    /// Tokens a tokenizer gets at most where the embedding grows with it.
    private static let largestAutomaticVocabulary = 52_000

    /// The run's tokenizer, trained now if it has none yet.
    /// - Parameters:
    ///   - trained: told the vocabulary's size if it was
    ///   - pulse: told while the work goes on
    func tokenizer(pulse: Pulse, trained: (Int) -> Void) throws -> ByteLevelBPETokenizer {
        if access(tokenizerDirectory, F_OK) == 0 {
            return try ByteLevelBPETokenizer.load(directory: tokenizerDirectory)
        }
        let tokenizer: ByteLevelBPETokenizer
        if let directory = job.tokenizer {
            // As it will be when it is read again from the run's folder.
            tokenizer = try ByteLevelBPETokenizer.load(directory: directory).published()
        } else {
            tokenizer = try trainTokenizer(pulse)
            trained(tokenizer.vocabularySize)
        }
        try Durable.publishDirectory(tokenizerDirectory) { aside in
            try tokenizer.save(directory: aside, modelMaxLength: modelMaxLength)
        }
        return tokenizer
    }

    /// Tokens of the longest sequence the model has positions for.
    var modelMaxLength: Int { job.architecture.maxPositionEmbeddings - 2 }

    /// Each corpus is one sequence: its bytes as they are, or what the filters make of its samples.
    private func trainTokenizer(_ pulse: Pulse) throws -> ByteLevelBPETokenizer {
        let trainer = try BPETrainer(
            vocabularySize: job.architecture.vocabSize ?? RunFolder.largestAutomaticVocabulary,
            minFrequency: job.recipe.minFrequency)
        let seen = SeenTexts()
        let counting = { pulse.beat("counts words") }
        for corpus in job.corpora.sorted(by: { $0.sha256 < $1.sha256 }) {
            if (corpus.filters ?? job.filters).isEmpty {
                trainer.add(try words(of: corpus, progress: counting))
                continue
            }
            var reader = try SampleReader(corpus: corpus, unit: job.samples, filters: job.filters, seen: seen)
            let end = (corpus.samples ?? job.samples).endsAtBlankLine ? "\n\n" : "\n"
            try trainer.addPieces {
                counting()
                return try reader.next().map { $0.text + end }
            }
        }
        return try trainer.train { pulse.beat("merges") }
    }

    private func words(of corpus: JobCorpus, progress: () -> Void) throws -> WordCounts {
        do {
            guard let directory = job.wordCountsDirectory else {
                return try WordCounts.count(file: corpus.path, sha256: corpus.sha256, progress: progress)
            }
            let store = WordCountStore(directory: directory)
            return try store.counts(sha256: corpus.sha256, file: corpus.path, progress: progress)
        } catch let mismatch as DigestMismatch {
            throw DatasetError(mismatch, of: corpus)
        }
    }

    /// The run's token shards, made now if they are not there, damaged, or of something else.
    func shards(
        tokenizer: ByteLevelBPETokenizer, tokenizerDigest: String, pulse: Pulse, note: (String) -> Void
    ) throws -> TokenShards {
        let directory = "\(job.runDirectory)/shards"
        let source = ShardSource(job: job, tokenizerDigest: tokenizerDigest)
        if access(directory, F_OK) == 0 {
            try TemporaryName.clearLeftovers(in: directory)
            do {
                return try TokenShards(directory: directory, source: source)
            } catch {
                note("making the token shards again: \(error)")
            }
        }
        try Durable.makeDirectory(directory)
        return try TokenShards.build(directory: directory, source: source, tokenizer: tokenizer) {
            pulse.beat("tokenizes")
        }
    }

    /// A digest of what the tokenizer does.
    func tokenizerDigest() throws -> String {
        var hash = SHA256()
        for name in ["vocab.json", "merges.txt"] {
            hash.update(data: try Durable.read("\(tokenizerDirectory)/\(name)"))
        }
        return hash.finalize().hexadecimal
    }
}
