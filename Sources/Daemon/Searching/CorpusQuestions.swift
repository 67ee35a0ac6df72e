import AsyncSupport
import Database
import Inference
import Interface
import Jobs
import Settings
import TextSearch
import Varlink
import VarlinkServer

/// Searches the corpora of generations for those who may see them. Questions are answered one at a time, on a thread of their
/// own; users take turns.
package struct CorpusQuestions: Sendable {
    /// How long a question waits for indexes that are being built.
    private static let patience = Duration.seconds(5)
    /// When a client should ask again while indexes are being built.
    private static let retryMilliseconds = 500
    /// How long one question may be searched for.
    private static let longestSearch = Duration.seconds(10)

    private static let blocking = Blocking("search", most: 32)

    private let live: ReloadableSettings
    private let indexes: CorpusIndexes
    private let scopes: CorpusScopes
    private let administrators: Administrators
    private let isForOneUser: Bool

    /// - Parameters:
    ///   - administrators: who may ask if `serving.trace` is `admins`
    ///   - isForOneUser: whether `serving.trace: auto` lets everyone ask who may connect
    package init(
        settings: ReloadableSettings, metrics: StateStore, catalog: CorpusCatalog, indexes: CorpusIndexes,
        administrators: Administrators, isForOneUser: Bool
    ) {
        live = settings
        self.indexes = indexes
        scopes = CorpusScopes(metrics: metrics, catalog: catalog)
        self.administrators = administrators
        self.isForOneUser = isForOneUser
    }

    /// What a question found, and what was searched.
    struct Answer<Value: Sendable>: Sendable {
        var value: Value
        var corpora: [CorpusIndexes.Corpus]
        var scope: CorpusScope

        func searched(isComplete: Bool) -> InferenceInterface.SearchedText {
            // Corpora whose text is missing from the store count as removed.
            let lost = scope.corpora.count - corpora.count
            return .init(
                corpora: corpora.count, bytes: corpora.reduce(0) { $0 + $1.bytes }, removed: scope.removed + lost,
                omitted: scope.omitted, complete: isComplete)
        }
    }

    /// - Throws: `TraceDisabled` or `permissionDenied` unless the caller may see the text of corpora
    package func checkAccess(_ peer: PeerCredentials) throws {
        switch live.current.serving.trace {
        case .off: throw InferenceInterface.TraceDisabled()
        case .everyone: return
        case .auto where isForOneUser: return
        case .auto, .admins:
            guard administrators.includes(peer) else {
                throw VarlinkServiceError.permissionDenied(needs: administrators.description)
            }
        }
    }

    /// Asks a question about the corpora of a generation. Waits for their indexes.
    /// - Throws: `NotSearchable`, `IndexNotReady`, `Overloaded`, `InvalidQuery`, `InvalidParameter`, `CancellationError`
    func ask<Value: Sendable>(
        _ model: ServingModel, for user: UInt32,
        _ question: @escaping @Sendable (CorpusSearch, SearchBudget) throws -> Value
    ) async throws -> Answer<Value> {
        let facts = try facts(of: model)
        let patienceEnds = ContinuousClock.now + Self.patience
        while true {
            do {
                return try await search(model, facts, for: user, question)
            } catch CorpusIndexes.Obstacle.building(let bytes) {
                guard .now < patienceEnds else { throw notReady(bytes, model, facts) }
                await indexes.wait(atMost: patienceEnds - .now)
                try Task.checkCancellation()
            } catch SearchError.damaged(let sha256, let reason) {
                indexes.discard(sha256, because: reason)
                guard .now < patienceEnds else { throw notReady(0, model, facts) }
            }
        }
    }

    /// - Throws: `NotSearchable` if the model was not trained here
    private func facts(of model: ServingModel) throws -> TrainingFacts {
        guard let facts = model.engine.trainingArguments, !facts.corpora.isEmpty else {
            throw InferenceInterface.NotSearchable(
                model: model.name,
                reason: "generation \(model.generation) was not trained here, so its text is not known")
        }
        return facts
    }

    /// The corpora that a generation was trained on and that may be searched. Blocks on the database.
    /// - Throws: `NotSearchable`, `MetricsError`
    func scope(of model: ServingModel) throws -> CorpusScope {
        try scopes.scope(of: try facts(of: model), directory: model.engine.directory)
    }

    private func search<Value: Sendable>(
        _ model: ServingModel, _ facts: TrainingFacts, for user: UInt32,
        _ question: @escaping @Sendable (CorpusSearch, SearchBudget) throws -> Value
    ) async throws -> Answer<Value> {
        do {
            return try await Self.blocking.run(for: user) { [indexes, scopes] flag in
                let scope = try scopes.scope(of: facts, directory: model.engine.directory)
                let opened = try indexes.open(scope.corpora)
                guard !opened.corpora.isEmpty else {
                    throw InferenceInterface.NotSearchable(
                        model: model.name, reason: "all corpora that it was trained on were removed")
                }
                let budget = SearchBudget(deadline: .now + Self.longestSearch) { flag.isCancelled }
                return Answer(
                    value: try question(CorpusSearch(opened.indexes), budget), corpora: opened.corpora, scope: scope)
            }
        } catch let error as ManagerInterface.Overloaded {
            throw InferenceInterface.Overloaded(retryAfterMs: error.retryAfterMs)
        } catch CorpusIndexes.Obstacle.failed(let reason) {
            throw InferenceInterface.NotSearchable(model: model.name, reason: reason)
        } catch CorpusIndexes.Obstacle.stopping {
            throw InferenceInterface.NotSearchable(model: model.name, reason: "the service is stopping")
        } catch SearchError.cancelled {
            throw CancellationError()
        } catch SearchError.invalidQuery(let reason, let offset) {
            throw InferenceInterface.InvalidQuery(reason: "character \(offset + 1): \(reason)")
        } catch SearchError.textTooLong(let bytes, let limit) {
            throw InferenceInterface.InvalidQuery(reason: "it has \(bytes) bytes; the limit is \(limit)")
        }
    }

    private func notReady(
        _ missing: Int, _ model: ServingModel, _ facts: TrainingFacts
    ) -> InferenceInterface.IndexNotReady {
        let scope = try? scopes.scope(of: facts, directory: model.engine.directory)
        let total = scope?.corpora.reduce(0) { $0 + $1.bytes } ?? missing
        return .init(bytes: max(0, total - missing), totalBytes: total, retryAfterMs: Self.retryMilliseconds)
    }
}
