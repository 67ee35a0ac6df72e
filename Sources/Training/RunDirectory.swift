import Crypto
import Datasets
import Digests
import Durable
import Formatting
import FoundationEssentials
import Glibc
import Jobs
import Kernels
import TextFilters
import Tokenizers

/// The run's files other than checkpoints: the tokenizer and the token shards, each created once.
struct RunDirectory {
    let job: Job
    private let layouts = CorpusLayouts()

    /// Checks the corpora and the tokenizer before anything is written.
    init(job: Job) throws {
        self.job = job
        for (index, corpus) in job.corpora.enumerated() {
            guard let failureReason = RunDirectory.failureReason(ofCorpus: corpus.path) else { continue }
            throw JobError(
                key: "corpora[\(index)].path", expected: "a readable text file",
                found: "‘\(corpus.path)’: \(failureReason)")
        }
        if let tokenizer = job.tokenizer, access(tokenizer, R_OK | X_OK) != 0 {
            throw JobError(
                key: "tokenizer", expected: "a tokenizer directory",
                found: "‘\(tokenizer)’: \(String(cString: strerror(errno)))")
        }
    }

    /// Returns why a corpus file cannot be read, or nil.
    private static func failureReason(ofCorpus path: String) -> String? {
        var status = stat()
        guard access(path, R_OK) == 0, stat(path, &status) == 0 else { return String(cString: strerror(errno)) }
        guard status.st_mode & S_IFMT == S_IFREG else { return "not a regular file" }
        return status.st_size == 0 ? "an empty file" : nil
    }

    var tokenizerDirectory: String { "\(job.runDirectory)/tokenizer" }

    /// Returns the run's tokenizer, training it first if necessary.
    /// - Parameters:
    ///   - generation: the generation that the run starts from, whose tokenizer is kept if it suits the new text
    ///   - memoryLimit: memory that the process may use, in bytes
    ///   - compared: called with the result of a comparison with the generation's tokenizer
    ///   - trained: called with the vocabulary size after training
    ///   - heartbeat: emits heartbeats
    /// - Throws: `TrainingError.corpus` if the distinct words of a corpus exceed the memory limit
    func tokenizer(
        of generation: StartingGeneration?, memoryLimit: Int, heartbeat: Heartbeat,
        compared: (TokenizerComparison) -> Void, trained: (Int) -> Void
    ) throws -> ByteLevelBPETokenizer {
        if access(tokenizerDirectory, F_OK) == 0 {
            return try usable(ByteLevelBPETokenizer.load(directory: tokenizerDirectory), tokenizerDirectory)
        }
        var tokenizer: ByteLevelBPETokenizer
        if let directory = job.tokenizer {
            // Matches what is read back from the run's folder.
            tokenizer = try usable(ByteLevelBPETokenizer.load(directory: directory).published(), directory)
        } else {
            tokenizer = try trainTokenizer(memoryLimit: memoryLimit, heartbeat)
            if let generation {
                let kept = try usable(generation.tokenizer(), generation.start.directory)
                let activity = "comparing tokenizers"
                let texts = try job.newText(layouts, mostBytes: TokenizerComparison.mostBytes) {
                    heartbeat.beat(activity)
                }
                let comparison = TokenizerComparison(texts: texts, kept: kept, own: tokenizer)
                compared(comparison)
                let needsMarkers = tokenizer.conversationMarkers != nil && kept.conversationMarkers == nil
                if comparison.isKept, !needsMarkers { tokenizer = kept } else { trained(tokenizer.vocabularySize) }
            } else {
                trained(tokenizer.vocabularySize)
            }
        }
        try Durable.publishDirectory(tokenizerDirectory) { aside in
            try tokenizer.save(directory: aside, modelMaxLength: modelMaxLength)
        }
        return tokenizer
    }

    /// Checks that a tokenizer has the special tokens needed for samples and masks.
    private func usable(
        _ tokenizer: ByteLevelBPETokenizer, _ directory: String
    ) throws(TokenizerError) -> ByteLevelBPETokenizer {
        if let failureReason = tokenizer.failureReason(rows: .max) {
            throw TokenizerError(
                path: directory, expected: "a tokenizer with RoBERTa's special tokens", found: failureReason)
        }
        return tokenizer
    }

    var shardsDirectory: String { "\(job.runDirectory)/shards" }

    /// Maximum sequence length of the model, in tokens.
    var modelMaxLength: Int { job.architecture.maxPositionEmbeddings - 2 }

    /// Trains a tokenizer. Each corpus is one sequence: its raw bytes, or its samples if they are
    /// filtered or their lines joined.
    private func trainTokenizer(memoryLimit: Int, _ heartbeat: Heartbeat) throws -> ByteLevelBPETokenizer {
        let trainer = try BPETrainer(
            vocabularySize: job.architecture.vocabSize ?? AutomaticModel.largestVocabulary,
            minFrequency: job.recipe.minFrequency)
        if let directory = job.wordCountsDirectory { try WordCountStore(directory: directory).clearLeftovers() }
        let seen = SeenTexts()
        let activity = "counting words"
        // The model's memory is not allocated yet.
        let limit = memoryLimit / 2
        var largest: (corpus: JobCorpus, memory: Int)?
        for corpus in job.corpora.sorted(by: { $0.sha256 < $1.sha256 }) {
            heartbeat.read(corpus, activity)
            let counts = try attributingErrors(to: corpus) {
                try count(corpus, memoryLimit: limit, seen: seen) { heartbeat.beat(activity) }
            }
            trainer.add(counts)
            if largest.map({ counts.memory > $0.memory }) ?? true { largest = (corpus, counts.memory) }
            if trainer.memory > limit, let largest {
                // Each corpus fits by itself, but all together do not.
                throw RunDirectory.corpusError(
                    largest.corpus,
                    "the distinct words of all corpora take more than \(MessageFormat.bytes(limit)) of memory, and this "
                        + "corpus has the most")
            }
        }
        if job.architecture.vocabSize == nil {
            trainer.limitVocabulary(to: AutomaticModel.vocabulary(textBytes: trainer.textBytes, for: job.objective))
        }
        heartbeat.read(nil, "merging")
        let hasConversations =
            try job.objective == .clm
            && job.corpora.contains { corpus in
                try layouts.layout(of: corpus, unit: job.samples, filters: job.filters).unit == .conversations
            }
        guard hasConversations else { return try trainer.train { heartbeat.beat("merging") } }
        trainer.reserve(tokens: ConversationMarkers.count)
        return try trainer.train { heartbeat.beat("merging") }.withConversationMarkers()
    }

    private func count(
        _ corpus: JobCorpus, memoryLimit: Int, seen: SeenTexts, progress: () -> Void
    ) throws -> WordCounts {
        let layout = try layouts.layout(
            of: corpus, unit: job.samples, filters: job.filters, progress: progress
        ).layout(for: job.objective)
        if (corpus.filters ?? job.filters).isEmpty, layout.keepsText {
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
        var reader = try SampleReader(
            corpus: corpus, layout: layout, filters: job.filters, seen: seen, progress: progress)
        let end = layout.unit.endsAtBlankLine ? "\n\n" : "\n"
        return try WordCounts.count(name: corpus.path, memoryLimit: memoryLimit) {
            progress()
            return try reader.next().map { $0.isContinuation ? $0.text : end + $0.text }
        }
    }

    /// Attributes errors in a text to its corpus. Read errors are not attributed, because the disk is at fault.
    private func attributingErrors<Value>(to corpus: JobCorpus, _ body: () throws -> Value) throws -> Value {
        do {
            return try body()
        } catch let error as TokenizerError where error.place != nil {
            throw RunDirectory.corpusError(corpus, "\(error)")
        }
    }

    private static func corpusError(_ corpus: JobCorpus, _ reason: String) -> TrainingError {
        .corpus(sha256: corpus.sha256, name: corpus.name, reason: reason)
    }

    /// Returns the run's token shards, building them if they are missing, damaged or made from a different source.
    /// - Parameter diskReserve: bytes to keep free on the disk
    func shards(
        tokenizer: ByteLevelBPETokenizer, tokenizerDigest: String, diskReserve: Int, heartbeat: Heartbeat,
        note: (String) -> Void
    ) throws -> TokenShards {
        let directory = shardsDirectory
        let source = ShardSource(job: job, tokenizerDigest: tokenizerDigest)
        if access(directory, F_OK) == 0 {
            try TemporaryName.clearLeftovers(in: directory)
            do {
                let shards = try TokenShards(
                    directory: directory, source: source, vocabularySize: tokenizer.vocabularySize)
                if job.start == nil || shards.corpusRows != nil { return shards }
                note("rebuilding the token shards: the rows of each corpus are not known")
            } catch {
                note("rebuilding the token shards: \(error)")
            }
        }
        try Durable.makeDirectory(directory)
        // Unusable shards are replaced one after the other.
        try requireSpace(DiskEstimate(job).shardBytes, diskReserve)
        let activity = "tokenizing"
        let shards = try TokenShards.build(
            directory: directory, source: source, tokenizer: tokenizer, layouts: layouts
        ) { corpus in
            heartbeat.read(corpus, activity)
        } progress: {
            heartbeat.beat(activity)
        }
        if let summary = shards.summary {
            let epoch = job.epoch(of: shards)
            let recipe = job.recipe.fitted(to: epoch)
            let report = TextReport(summary: summary, recipe: recipe, trainingRows: epoch.rows)
            heartbeat.tell(.textSummary(summary))
            for warning in report.warnings { heartbeat.tell(.textWarning(.init(message: warning))) }
        }
        heartbeat.read(nil, "preparing")
        return shards
    }

    /// Checks that the disk has room for `bytes` in addition to the reserve.
    /// - Throws: `TrainingError.tooLittleSpace`
    func requireSpace(_ bytes: Int, _ reserve: Int) throws {
        let free = try FreeSpace.at(job.runDirectory).free
        guard free - reserve < bytes else { return }
        throw TrainingError.tooLittleSpace(path: job.runDirectory, needed: bytes, free: free, reserve: reserve)
    }

    /// Returns a digest of the tokenizer's vocabulary and merges, and of whether it has markers for conversations.
    /// - Parameter tokenizer: the run's
    func digest(of tokenizer: ByteLevelBPETokenizer) throws -> String {
        var hash = SHA256()
        for name in ["vocab.json", "merges.txt"] {
            hash.update(data: try Durable.read("\(tokenizerDirectory)/\(name)"))
        }
        // They are in neither file.
        if tokenizer.conversationMarkers != nil { hash.update(data: Array("conversations".utf8)) }
        return hash.finalize().hexadecimal
    }
}

extension DiskEstimate {
    /// - Parameter rows: number of embedding rows, once the tokenizer is known
    init(_ job: Job, rows: Int? = nil) {
        self.init(
            architecture: job.architecture, recipe: job.recipe, rows: rows,
            textBytes: job.corpora.reduce(0) { $0 + max(0, $1.bytes) })
    }
}
