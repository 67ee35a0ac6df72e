import Events
import FoundationEssentials
import Jobs
import Database
import Varlink

/// Restores corpora, runs and generations from disk into a new database.
struct Recovery: Sendable {
    let directory: StateDirectory
    let models: [String]

    /// Whether the disk holds corpora, runs or generations that a missing database would have recorded.
    func isAnythingLeft(_ ledger: CorpusLedger) -> Bool {
        ledger.exists || !directory.runNames().isEmpty
            || models.contains { !directory.generations(of: $0).isEmpty }
    }

    /// Restores everything that can be restored.
    /// - Returns: descriptions of what was restored and of what could not be, for a message
    func refill(_ metrics: StateStore) -> (found: [String], problems: [String]) {
        var found: [String] = []
        var problems: [String] = []
        func attempt(_ what: String, _ body: () throws -> Int) {
            do { found.append("\(try body()) \(what)") } catch { problems.append("\(what): \(error)") }
        }
        attempt("corpora") { try corpora(metrics, &problems) }
        attempt("runs") { try runs(metrics) }
        attempt("generations") { try generations(metrics) }
        return (found, problems)
    }

    /// Restores the corpora in the ledger whose files exist, and files that are not in the ledger.
    private func corpora(_ metrics: StateStore, _ problems: inout [String]) throws -> Int {
        let stored = Set(
            try FileManager.default.contentsOfDirectory(atPath: directory.corpus).filter { $0.utf8.count == 64 })
        var ledger = CorpusLedger.Contents()
        do { ledger = try metrics.ledger.contents() } catch { problems.append("the ledger cannot be read: \(error)") }
        if let first = ledger.unreadableLines.first {
            let count = ledger.unreadableLines.count
            problems.append(
                (count == 1 ? "line \(first)" : "\(count) lines, the first of them line \(first),")
                    + " of \(metrics.ledger.path) cannot be read")
        }
        let known = ledger.records.filter { $0.state == .rejected || stored.contains($0.sha256) }
        try metrics.restore(known)
        let strange = stored.subtracting(known.filter { $0.state == .admitted }.map(\.sha256)).sorted()
        guard !strange.isEmpty else { return stored.count }
        problems.append(
            "\(strange.count) corpora are not in the ledger: the models they feed are taken from the runs that used them"
        )
        let jobs = directory.runNames().compactMap { try? directory.readJob(of: $0) }
        for sha256 in strange {
            let readers = jobs.filter { $0.corpora.contains { $0.sha256 == sha256 } }
            let corpus = readers.first?.corpora.first { $0.sha256 == sha256 }
            let path = "\(directory.corpus)/\(sha256)"
            let size = try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int
            let only = Set(readers.map(\.model))
            _ = try metrics.record(
                CorpusRecord(
                    sha256: sha256, name: corpus?.name ?? String(sha256.prefix(12)), bytes: size ?? 0, documents: 1,
                    state: .admitted, model: only.count == 1 ? only.first : nil))
        }
        return stored.count
    }

    /// Restores the runs. A run without a recorded end is resumed if it is the newest of its model.
    private func runs(_ metrics: StateStore) throws -> Int {
        var jobs: [(job: Job, made: Date)] = []
        for name in directory.runNames() {
            guard let job = try? directory.readJob(of: name), job.run == name else { continue }
            let facts = try FileManager.default.attributesOfItem(atPath: directory.job(of: name))
            jobs.append((job, facts[.modificationDate] as? Date ?? Date()))
        }
        jobs.sort { $0.made < $1.made }
        for (index, (job, made)) in jobs.enumerated() {
            var record = RunRecord(id: job.run, model: job.model, generation: job.generation, started: made)
            if let ending = RunEnding.read(directory.run(job.run)) {
                (record.state, record.reason, record.finished) = (ending.state, ending.reason, made)
            } else if jobs[(index + 1)...].contains(where: { $0.job.model == job.model }) {
                (record.state, record.reason, record.finished) = (.failed, "its record was lost", made)
            } else {
                record.state = .interrupted
            }
            try metrics.save(record, corpora: job.corpora.map(\.sha256))
        }
        return jobs.count
    }

    /// Restores the generations that are on disk but not in the database, except for those that cannot be read.
    func generations(_ metrics: StateStore) throws -> Int {
        var count = 0
        for model in models {
            let current = directory.currentGeneration(of: model)
            for number in directory.generations(of: model) {
                count += 1
                guard try metrics.generation(number, of: model) == nil else { continue }
                let verdict = PromotionVerdict.read(directory.generation(number, of: model))
                let state: GenerationRecord.State =
                    if number == current {
                        .serving
                    } else if verdict?.passes == false {
                        .rejected
                    } else if verdict != nil || current.map({ number < $0 }) ?? false {
                        .retired
                    } else {
                        .candidate
                    }
                guard let record = try? directory.record(ofGeneration: number, of: model, state: state) else {
                    continue
                }
                try metrics.save(record)
            }
        }
        return count
    }
}

extension ServiceEvent {
    init(_ renewal: StateStore.Rebuild, found: [String], problems: [String]) {
        let begun = Self.begun(found, problems)
        self.init(
            .metricsRenewed,
            renewal.reason.isNewer
                ? "the database was written by a newer version of this program; it was moved to \(renewal.aside), and "
                    + "\(begun). To use it again: install that version, stop the service, and move it back to "
                    + renewal.reason.path
                : "the database could not be used (\(renewal.reason)); it was moved to \(renewal.aside), and \(begun)",
            fields: ["aside": .string(renewal.aside), "reason": .string("\(renewal.reason)")])
    }

    /// The database was missing, although this is not the first start.
    init(missing path: String, found: [String], problems: [String]) {
        self.init(
            .metricsRenewed, "the database \(path) was missing; \(Self.begun(found, problems))",
            fields: ["reason": .string("it was missing")])
    }

    private static func begun(_ found: [String], _ problems: [String]) -> String {
        let trouble = problems.isEmpty ? "" : "; \(problems.joined(separator: "; "))"
        return "a new one was created from the files on disk: \(found.joined(separator: ", "))\(trouble)"
    }
}
