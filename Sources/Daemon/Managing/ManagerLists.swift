import Events
import FoundationEssentials
import Inference
import Interface
import Jobs
import Kernels
import Database
import Varlink

/// The lists of `io.kantaibert.Manager`. They are paged, so that the size of a reply is bounded.
package struct ManagerLists: Sendable {
    /// Maximum number of rows per page; steps are smaller than other rows.
    static let mostRows = 1000
    static let mostSteps = 4000
    static let mostEvaluations = 800
    /// Approximate maximum size of a page. A page has at least one row.
    package static let pageBytes = 1 << 20

    private let metrics: StateStore
    private let models: [String]

    /// - Parameter models: the names of all models
    package init(metrics: StateStore, models: [String]) {
        self.metrics = metrics
        self.models = models
    }

    package func corpora(
        _ parameters: ManagerInterface.ListCorpora.Parameters
    ) throws -> ManagerInterface.ListCorpora.Reply {
        let state = try parameters.state.map { text in
            guard let state = CorpusRecord.ListedState(rawValue: text) else {
                throw VarlinkServiceError.invalidParameter(parameter: "state")
            }
            return state
        }
        let after = try Self.key(parameters.after)
        let page = try metrics.corpusPage(
            state: state, newestFirst: parameters.newestFirst ?? false, after: after,
            limit: try Self.limit(parameters.limit, most: Self.mostRows))
        let (corpora, next) = Self.cut(page, bytes: Self.bytes) { corpus in
            ManagerInterface.Corpus(
                sha256: corpus.sha256, name: corpus.name, bytes: corpus.bytes, documents: corpus.documents,
                state: .init(rawValue: corpus.listedState.rawValue) ?? .rejected,
                reason: corpus.reason, received: corpus.received.interfaceText,
                models: corpus.feeds ? corpus.model.map { [$0] } ?? models : [], encoding: corpus.encoding,
                format: corpus.format, warnings: corpus.warnings)
        }
        return .init(corpora: corpora, next: next, counts: after == nil ? try counts() : nil)
    }

    /// - Parameter current: the active run, whose progress is newer than its record
    package func runs(
        _ parameters: ManagerInterface.ListRuns.Parameters, current: RunRecord?
    ) throws -> ManagerInterface.ListRuns.Reply {
        let page = try metrics.runPage(
            model: parameters.model, after: try Self.key(parameters.after),
            limit: try Self.limit(parameters.limit, most: Self.mostRows))
        let (runs, next) = Self.cut(page, bytes: Self.bytes) { run in
            (run.id == current?.id ? current ?? run : run).asInterface
        }
        return .init(runs: runs, next: next)
    }

    /// - Parameters:
    ///   - precision: the precision in which a generation serves or would serve
    ///   - bytes: the size of a generation's files; nil if they are not there
    package func generations(
        _ parameters: ManagerInterface.ListGenerations.Parameters, precision: (GenerationRecord) -> PrecisionChoice,
        bytes: (GenerationRecord) -> Int? = { _ in nil }
    ) throws -> ManagerInterface.ListGenerations.Reply {
        let page = try metrics.generationPage(
            of: parameters.model, after: try Self.key(parameters.after),
            limit: try Self.limit(parameters.limit, most: Self.mostRows))
        let (generations, next) = Self.cut(page, bytes: Self.bytes) { record in
            let precision = precision(record)
            return ManagerInterface.Generation(
                model: record.model, number: record.number, run: record.run,
                state: .init(rawValue: record.state.rawValue) ?? .rejected, modelSha256: record.modelSha256,
                evaluationLoss: record.evaluationLoss, bitsPerByte: record.bitsPerByte,
                created: record.created.interfaceText, judgedBitsPerByte: record.judgedBitsPerByte,
                incumbent: record.incumbent, incumbentBitsPerByte: record.incumbentBitsPerByte,
                reason: record.reason, precision: precision.precision.rawValue, precisionReason: precision.reason,
                float32BitsPerByte: record.float32BitsPerByte, bfloat16BitsPerByte: record.bfloat16BitsPerByte,
                int8BitsPerByte: record.int8BitsPerByte, bytes: bytes(record))
        }
        return .init(generations: generations, next: next)
    }

    package func measurements(
        _ parameters: ManagerInterface.GetMetrics.Parameters
    ) throws -> ManagerInterface.GetMetrics.Reply {
        guard try metrics.run(parameters.run) != nil else { throw ManagerInterface.RunNotFound(run: parameters.run) }
        let limit = try Self.limit(parameters.limit, most: Self.mostSteps)
        guard limit > 0 else { return .init(steps: [], evaluations: []) }
        let found = try metrics.measurements(
            ofRun: parameters.run, after: parameters.afterStep, limit: limit,
            evaluationLimit: Self.mostEvaluations)
        return .init(
            steps: found.steps.map { record in
                let step = record.metrics
                return .init(
                    step: step.step, epoch: step.epoch, loss: step.loss, learningRate: step.learningRate,
                    gradientNorm: step.gradientNorm, tokens: step.tokens, tokensPerSecond: step.tokensPerSecond,
                    time: record.time.interfaceText, mfu: step.mfu)
            },
            evaluations: found.evaluations.map { evaluation in
                .init(
                    step: evaluation.step, loss: evaluation.loss, perplexity: evaluation.perplexity,
                    accuracy: evaluation.accuracy, bitsPerByte: evaluation.bitsPerByte,
                    time: evaluation.time.interfaceText, sample: evaluation.interfaceSample)
            }, next: found.next)
    }

    package func events(_ parameters: ManagerInterface.ListEvents.Parameters) throws
        -> ManagerInterface.ListEvents.Reply
    {
        let least = parameters.level.flatMap { ManagerInterface.Event.Level(rawValue: $0.rawValue) } ?? .info
        let order = ManagerInterface.Event.Level.allCases
        let kinds = EventKind.allCases.filter {
            order.firstIndex(of: .init($0.definition.level))! >= order.firstIndex(of: least)!
        }
        let page = try metrics.eventPage(
            kinds: least == .info ? nil : kinds.map(\.rawValue), after: try Self.key(parameters.after),
            limit: try Self.limit(parameters.limit, most: Self.mostRows))
        let decoder = JSONDecoder()
        let (events, next) = Self.cut(page, bytes: Self.bytes) { record in
            ManagerInterface.Event(
                kind: record.kind,
                // A newer version, whose kinds are not known, may have recorded it.
                level: EventKind(rawValue: record.kind).map { .init($0.definition.level) } ?? .info,
                message: record.message, model: record.model, run: record.run, corpus: record.corpus,
                fields: (try? decoder.decode(JSONValue.self, from: Data(record.fields.utf8))) ?? .object([:]),
                time: record.time.interfaceText)
        }
        return .init(events: events, next: next)
    }

    private func counts() throws -> ManagerInterface.CorpusCounts {
        let counts = try metrics.corpusCounts()
        func count(_ state: CorpusRecord.ListedState) -> Int { counts[state] ?? 0 }
        return .init(
            admitted: count(.admitted), duplicate: count(.duplicate), rejected: count(.rejected),
            removed: count(.removed), setAside: count(.setAside))
    }

    private static func limit(_ limit: Int?, most: Int) throws -> Int {
        guard let limit else { return most }
        guard limit >= 0 else { throw VarlinkServiceError.invalidParameter(parameter: "limit") }
        return min(limit, most)
    }

    /// Parses the key of the row that a page begins after, which is the `next` of the previous page.
    private static func key(_ after: String?) throws -> Int64? {
        try after.map { text in
            guard let key = Int64(text) else { throw VarlinkServiceError.invalidParameter(parameter: "after") }
            return key
        }
    }

    /// Returns as many rows as a reply may have, and where the next page begins.
    private static func cut<Record, Row>(
        _ page: Page<Record>, bytes: (Row) -> Int, _ convert: (Record) -> Row
    ) -> (rows: [Row], next: String?) {
        var rows: [Row] = []
        var room = pageBytes
        for (index, (key, record)) in page.rows.enumerated() {
            let row = convert(record)
            rows.append(row)
            room -= bytes(row)
            let isLast = page.isLast && index == page.rows.count - 1
            if room <= 0, !isLast { return (rows, "\(key)") }
        }
        return (rows, page.isLast ? nil : page.rows.last.map { "\($0.key)" })
    }

    /// Approximate size of a row as JSON without its strings.
    private static let rowBytes = 512

    private static func bytes(_ corpus: ManagerInterface.Corpus) -> Int {
        let texts = [corpus.name, corpus.reason, corpus.encoding, corpus.format].compactMap { $0 }
        return (texts + corpus.models + (corpus.warnings ?? [])).reduce(rowBytes) { $0 + $1.utf8.count + 3 }
    }

    /// The fields of an event have at most 4 KB.
    private static func bytes(_ event: ManagerInterface.Event) -> Int {
        rowBytes + event.message.utf8.count + ServiceEvent.mostFieldBytes / 4
    }

    private static func bytes(_ run: ManagerInterface.Run) -> Int {
        rowBytes + run.id.utf8.count + run.model.utf8.count + (run.reason ?? "").utf8.count
    }

    private static func bytes(_ generation: ManagerInterface.Generation) -> Int {
        rowBytes + generation.model.utf8.count + generation.run.utf8.count + (generation.reason ?? "").utf8.count
            + (generation.precisionReason ?? "").utf8.count
    }
}

extension EvaluationRecord {
    fileprivate var interfaceSample: ManagerInterface.TextSample? {
        guard let prompt, let sample else { return nil }
        // A database can be edited.
        let bounded = TextSample(step: step, prompt: prompt, text: sample).bounded
        return .init(prompt: bounded.prompt, text: bounded.text)
    }
}
