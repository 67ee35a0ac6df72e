import Database
import Jobs
import Synchronization

/// The corpora that a generation was trained on and that may be searched.
package struct CorpusScope: Sendable, Equatable {
    package var corpora: [CorpusIndexes.Corpus]
    /// Number of corpora that were removed since the training.
    package var removed: Int
    /// Number of corpora over `mostCorpora`.
    package var omitted: Int

    /// Maximum number of corpora that one question searches.
    package static let mostCorpora = 4096

    /// - Parameters:
    ///   - facts: of the training
    ///   - most: the maximum number of corpora: the largest ones, in the order of training
    package init(
        of facts: TrainingFacts, in metrics: StateStore, most: Int = mostCorpora
    ) throws(MetricsError) {
        var seen: Set<String> = []
        let trained = facts.corpora.map(\.sha256).filter { seen.insert($0).inserted }
        let records = try metrics.remaining(of: trained)
        removed = trained.count - records.count
        omitted = max(0, records.count - most)
        let largest =
            omitted == 0
            ? records
            : Array(records.enumerated().sorted { $0.element.bytes > $1.element.bytes }.prefix(most))
                .sorted { $0.offset < $1.offset }.map(\.element)
        corpora = largest.map {
            CorpusIndexes.Corpus(
                sha256: $0.sha256, name: $0.name, bytes: $0.bytes, received: $0.received, isStructured: $0.isStructured)
        }
    }
}

/// Scopes of the generations that serve, valid until corpora are recorded or removed.
final class CorpusScopes: Sendable {
    private struct State {
        var version = 0
        var scopes: [String: CorpusScope] = [:]
    }

    private let state = Mutex(State())
    private let metrics: StateStore
    private let catalog: CorpusCatalog

    init(metrics: StateStore, catalog: CorpusCatalog) {
        self.metrics = metrics
        self.catalog = catalog
    }

    /// - Parameter directory: of the generation
    func scope(of facts: TrainingFacts, directory: String) throws(MetricsError) -> CorpusScope {
        // Read before the database, so that a change in between is seen next time.
        let version = catalog.version
        let known = state.withLock { state -> CorpusScope? in
            if state.version != version { state = State(version: version) }
            return state.scopes[directory]
        }
        if let known { return known }
        let scope = try CorpusScope(of: facts, in: metrics)
        state.withLock { state in
            guard state.version == version else { return }
            // Generations that do not serve any more.
            if state.scopes.count >= 64 { state.scopes = [:] }
            state.scopes[directory] = scope
        }
        return scope
    }
}
