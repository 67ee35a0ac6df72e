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
    ///   - memoryLimit: bytes of memory that the process may take
    ///   - trained: told the vocabulary's size if it was
    ///   - pulse: told while the work goes on
    /// - Throws: `TrainingError.corpus` for one whose words do not fit the memory
    func tokenizer(memoryLimit: Int, pulse: Pulse, trained: (Int) -> Void) throws -> ByteLevelBPETokenizer {
        if access(tokenizerDirectory, F_OK) == 0 {
            return try usable(ByteLevelBPETokenizer.load(directory: tokenizerDirectory), tokenizerDirectory)
        }
        let tokenizer: ByteLevelBPETokenizer
        if let directory = job.tokenizer {
            // As it will be when it is read again from the run's folder.
            tokenizer = try usable(ByteLevelBPETokenizer.load(directory: directory).published(), directory)
        } else {
            tokenizer = try trainTokenizer(memoryLimit: memoryLimit, pulse)
            trained(tokenizer.vocabularySize)
        }
        try Durable.publishDirectory(tokenizerDirectory) { aside in
            try tokenizer.save(directory: aside, modelMaxLength: modelMaxLength)
        }
        return tokenizer
    }

    /// The tokenizer, where samples can be made and masked with it.
    private func usable(
        _ tokenizer: ByteLevelBPETokenizer, _ directory: String
    ) throws(TokenizerError) -> ByteLevelBPETokenizer {
        if let flaw = tokenizer.flaw(rows: .max) {
            throw TokenizerError(path: directory, expected: "a tokenizer with RoBERTa's special tokens", found: flaw)
        }
        return tokenizer
    }

    /// Tokens of the longest sequence the model has positions for.
    var modelMaxLength: Int { job.architecture.maxPositionEmbeddings - 2 }

    /// Each corpus is one sequence: its bytes as they are, or what the filters make of its samples.
    private func trainTokenizer(memoryLimit: Int, _ pulse: Pulse) throws -> ByteLevelBPETokenizer {
        let trainer = try BPETrainer(
            vocabularySize: job.architecture.vocabSize ?? RunFolder.largestAutomaticVocabulary,
            minFrequency: job.recipe.minFrequency)
        let seen = SeenTexts()
        let activity = "counts words"
        // The model's own memory is not taken yet.
        let limit = memoryLimit / 2
        var largest: (corpus: JobCorpus, memory: Int)?
        for corpus in job.corpora.sorted(by: { $0.sha256 < $1.sha256 }) {
            pulse.read(corpus, activity)
            let counts = try blaming(corpus) {
                try count(corpus, memoryLimit: limit, seen: seen) { pulse.beat(activity) }
            }
            trainer.add(counts)
            if largest.map({ counts.memory > $0.memory }) ?? true { largest = (corpus, counts.memory) }
            if trainer.memory > limit, let largest {
                // Each of them fits by itself.
                throw RunFolder.blame(
                    largest.corpus,
                    "the different words of all corpora take more than \(limit / 1_000_000) MB of memory, and it has the "
                        + "most of them")
            }
        }
        pulse.read(nil, "merges")
        return try trainer.train { pulse.beat("merges") }
    }

    private func count(
        _ corpus: JobCorpus, memoryLimit: Int, seen: SeenTexts, progress: () -> Void
    ) throws -> WordCounts {
        if (corpus.filters ?? job.filters).isEmpty {
            do {
                guard let directory = job.wordCountsDirectory else {
                    return try WordCounts.count(
                        file: corpus.path, sha256: corpus.sha256, memoryLimit: memoryLimit, progress: progress)
                }
                return try WordCountStore(directory: directory).counts(
                    sha256: corpus.sha256, file: corpus.path, memoryLimit: memoryLimit, progress: progress)
            } catch let mismatch as DigestMismatch {
                throw DatasetError(mismatch, of: corpus)
            }
        }
        var reader = try SampleReader(corpus: corpus, unit: job.samples, filters: job.filters, seen: seen)
        let end = (corpus.samples ?? job.samples).endsAtBlankLine ? "\n\n" : "\n"
        return try WordCounts.count(name: corpus.path, memoryLimit: memoryLimit) {
            progress()
            return try reader.next().map { $0.text + end }
        }
    }

    /// Says of what is wrong with a corpus itself that it is this one. That a file cannot be read is the disk's fault.
    private func blaming<Value>(_ corpus: JobCorpus, _ body: () throws -> Value) throws -> Value {
        do {
            return try body()
        } catch let error as TokenizerError where error.place != nil {
            throw RunFolder.blame(corpus, "\(error)")
        }
    }

    private static func blame(_ corpus: JobCorpus, _ reason: String) -> TrainingError {
        .corpus(sha256: corpus.sha256, name: corpus.name, reason: reason)
    }

    /// The run's token shards, made now if they are not there, damaged, or of something else.
    /// - Parameter diskReserve: bytes that stay free on the disk
    func shards(
        tokenizer: ByteLevelBPETokenizer, tokenizerDigest: String, diskReserve: Int, pulse: Pulse,
        note: (String) -> Void
    ) throws -> TokenShards {
        let directory = "\(job.runDirectory)/shards"
        let source = ShardSource(job: job, tokenizerDigest: tokenizerDigest)
        if access(directory, F_OK) == 0 {
            try TemporaryName.clearLeftovers(in: directory)
            do {
                return try TokenShards(
                    directory: directory, source: source, vocabularySize: tokenizer.vocabularySize)
            } catch {
                note("making the token shards again: \(error)")
            }
        }
        try Durable.makeDirectory(directory)
        // Those that cannot be used are replaced, one after the other.
        try requireSpace(DiskEstimate(job).shardBytes, diskReserve)
        let activity = "tokenizes"
        let shards = try TokenShards.build(directory: directory, source: source, tokenizer: tokenizer) { corpus in
            pulse.read(corpus, activity)
        } progress: {
            pulse.beat(activity)
        } ends: { corpus, cutUnits in
            guard cutUnits > 0 else { return }
            pulse.tell(
                .unitsCut(
                    .init(
                        corpus: corpus.sha256, name: corpus.name, units: cutUnits, bytes: SampleReader.longest)))
        }
        pulse.read(nil, "gets ready")
        return shards
    }

    /// - Throws: `TrainingError.tooLittleSpace`
    func requireSpace(_ bytes: Int, _ reserve: Int) throws {
        let free = try FreeSpace.at(job.runDirectory).free
        guard free - reserve < bytes else { return }
        throw TrainingError.tooLittleSpace(path: job.runDirectory, needed: bytes, free: free, reserve: reserve)
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

extension DiskEstimate {
    /// - Parameter rows: of the embedding, once the tokenizer is known
    init(_ job: Job, rows: Int? = nil) {
        self.init(
            architecture: job.architecture, recipe: job.recipe, rows: rows,
            textBytes: job.corpora.reduce(0) { $0 + max(0, $1.bytes) })
    }
}
