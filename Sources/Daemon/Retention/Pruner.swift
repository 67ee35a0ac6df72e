import Durable
import Events
import FoundationEssentials
import Inference
import Database
import Settings
import Synchronization
import Varlink

/// Applies the retention settings: removes generations, files of finished runs, packed weights of generations that do
/// not serve, and old rows. Each item is removed as a whole; if that fails, removal is retried the next time.
struct Pruner: Sendable {
    let settings: Settings
    let directory: StateDirectory
    let metrics: StateStore
    let journal: EventJournal
    /// Whether a jump of the clock has been reported.
    let doubt: Once

    /// - Parameters:
    ///   - held: generations that are being loaded or evaluated, by model
    ///   - now: the current time
    func prune(held: [String: Set<Int>], now: Date = Date()) {
        var removed: [String] = []
        for model in settings.models.map(\.name) {
            journal.attempt("old generations of \(model) were not removed") {
                try pruneGenerations(of: model, held: held[model] ?? [], &removed)
            }
            journal.attempt("old runs of \(model) were not removed") { try pruneRuns(of: model, &removed) }
        }
        journal.attempt("old rows of the database were not removed") {
            guard let seconds = settings.retention.keepMetricsSeconds else { return }
            let age = try metrics.age(keeping: seconds, now: now)
            if age.isJump, doubt.isFirst() {
                journal.report(
                    ServiceEvent(
                        .pruned,
                        "rows of the database that appear to be older than retention.keep_metrics are kept for now: the clock "
                            + "has advanced by a long time in which nothing was recorded, so it was changed or the machine was off"
                    ))
            }
            let rows = age.cutoff > .distantPast ? try metrics.removeRows(before: age.cutoff) : 0
            if rows > 0 { removed.append("\(rows) rows of the database") }
        }
        guard !removed.isEmpty else { return }
        journal.report(
            ServiceEvent(
                .pruned, "removed by the retention settings: \(removed.joined(separator: ", "))",
                fields: ["removed": .array(removed.map { .string($0) })]))
    }

    private func pruneGenerations(of model: String, held: Set<Int>, _ removed: inout [String]) throws {
        try TemporaryName.clearLeftovers(in: directory.model(model))
        let records = try metrics.generations(of: model)
        let serving = directory.currentGeneration(of: model)
        let onDisk = Set(directory.generations(of: model))
        // The process was killed while it removed them. The newest generation is never removed, so an empty list means that
        // the directory could not be read.
        for record in records where !onDisk.isEmpty && !onDisk.contains(record.number) {
            try metrics.removeGeneration(record.number, of: model)
        }
        let candidates = Set(records.filter { $0.state == .candidate }.map(\.number))
        let rejected = Set(records.filter { $0.state == .rejected }.map(\.number))
        let old = RetentionPolicy.generationsToRemove(
            directory.generations(of: model), serving: serving, rejected: rejected.union(candidates), held: held,
            keeping: settings.retention.keepGenerations)
        for number in old {
            try Durable.removeWhole(directory.generation(number, of: model))
            try metrics.removeGeneration(number, of: model)
            removed.append("\(model) \(number)")
        }
        for number in directory.generations(of: model) where number != serving && !held.contains(number) {
            for file in InferenceEngine.packedFiles(ofDirectory: directory.generation(number, of: model)) {
                try Durable.removeTree(file)
            }
            try Durable.removeTree(PassageFiles.path(directory.generation(number, of: model)))
        }
    }

    private func pruneRuns(of model: String, _ removed: inout [String]) throws {
        try TemporaryName.clearLeftovers(in: directory.runs)
        // Newest first.
        let over = try metrics.runs(model: model).filter { $0.finished != nil }
        let lastFinished = over.firstIndex { $0.state == .finished } ?? over.endIndex
        for (index, run) in over.enumerated() {
            let folder = directory.run(run.id)
            guard FileManager.default.fileExists(atPath: folder) else { continue }
            if index >= settings.retention.keepRuns {
                try Durable.removeWhole(folder)
                removed.append("the directory of \(run.id)")
                continue
            }
            // A cancelled or failed run may be continued until a later one is finished.
            guard index >= lastFinished else { continue }
            // Leftovers of an interrupted removal.
            try TemporaryName.clearLeftovers(in: folder)
            for name in try FileManager.default.contentsOfDirectory(atPath: folder).sorted() {
                let isCheckpoint = name.hasPrefix("checkpoint-")
                guard name == "shards" || isCheckpoint && !settings.retention.keepCheckpoints else { continue }
                try Durable.removeWhole("\(folder)/\(name)")
                if isCheckpoint { removed.append("\(name) of \(run.id)") }
            }
        }
    }
}

/// Something to report once per process.
final class Once: Sendable {
    private let isOver = Atomic(false)

    /// Returns true the first time it is called.
    func isFirst() -> Bool { !isOver.exchange(true, ordering: .relaxed) }
}
