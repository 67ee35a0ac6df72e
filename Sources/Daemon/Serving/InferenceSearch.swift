import Durable
import Inference
import Interface
import Jobs
import Settings
import TextSearch
import Tokenizers
import Varlink
import VarlinkServer

/// The methods that search the corpora of a model.
extension InferenceService {
    private static let usualPassages = 3
    private static let mostPassages = 20
    private static let usualLimit = 20
    private static let mostCounts = 100
    /// Maximum number of bytes of the text on each side of a passage, and of a match.
    private static let contextBytes = 160
    private static let matchBytes = 480
    /// Approximate maximum size of the passages of a reply. A page of `Find` has at least one.
    private static let replyBytes = 1 << 20
    private static let mostMinimumWords = 1000

    func registerSearch(_ questions: CorpusQuestions, with service: inout VarlinkService) {
        service.handle(
            InferenceInterface.Trace.self, replyBytes: { reply in reply.spans.reduce(0) { $0 + bytes($1.passages) } }
        ) { parameters, context in
            try questions.checkAccess(context.peer)
            // The words of the text and of the spans in it.
            try reserve(8 * parameters.text.utf8.count + Self.replyBytes, context)
            return try await answer(context) { user in try await trace(parameters, questions, for: user) }
        }
        service.handle(InferenceInterface.Find.self, replyBytes: { bytes($0.passages) }) { parameters, context in
            try questions.checkAccess(context.peer)
            try reserve(Self.replyBytes, context)
            return try await answer(context) { user in try await find(parameters, questions, for: user) }
        }
        service.handle(
            InferenceInterface.FillContexts.self,
            replyBytes: { reply in reply.candidates.reduce(0) { $0 + bytes($1.passages) } }
        ) { parameters, context in
            try questions.checkAccess(context.peer)
            try reserve(Self.replyBytes, context)
            return try await answer(context) { user in try await contexts(parameters, questions, for: user) }
        }
    }

    private func trace(
        _ parameters: InferenceInterface.Trace.Parameters, _ questions: CorpusQuestions, for user: UInt32
    ) async throws -> InferenceInterface.Trace.Reply {
        guard parameters.text.utf8.count <= CorpusSearch.maximumTraceBytes else {
            throw VarlinkServiceError.invalidParameter(parameter: "text")
        }
        var options = TraceOptions(contextBytes: Self.contextBytes)
        options.occurrences = try passages(parameters.passages)
        if let words = parameters.minimumWords {
            guard (1...Self.mostMinimumWords).contains(words) else {
                throw VarlinkServiceError.invalidParameter(parameter: "minimum_words")
            }
            options.minimumWords = words
        }
        let model = try await searchedModel(parameters.model, preferring: .clm)
        let answer = try await questions.ask(model, for: user) { [options] search, budget in
            try search.trace(parameters.text, options: options, budget: budget)
        }
        let found = answer.value
        var room = Self.replyBytes
        let spans = found.spans.map { span in
            InferenceInterface.TracedSpan(
                offset: span.characters.lowerBound, length: span.characters.count, words: span.words, count: span.count,
                passages: passages(span.occurrences, in: answer.corpora, &room))
        }
        return .init(
            spans: spans, words: found.words, verbatimWords: found.verbatimWords,
            omittedSpans: max(0, found.spanCount - spans.count),
            searched: answer.searched(isComplete: found.isComplete),
            receipt: receipt(model))
    }

    private func find(
        _ parameters: InferenceInterface.Find.Parameters, _ questions: CorpusQuestions, for user: UInt32
    ) async throws -> InferenceInterface.Find.Reply {
        let limit = parameters.limit ?? Self.usualLimit
        guard limit >= 1 else { throw VarlinkServiceError.invalidParameter(parameter: "limit") }
        let options = FindOptions(
            limit: min(limit, ManagerLists.mostRows), after: try parameters.after.map(cursor),
            contextBytes: Self.contextBytes)
        let model = try await searchedModel(parameters.model, preferring: nil)
        let answer = try await questions.ask(model, for: user) { search, budget in
            let query = try SearchQuery(
                parameters.query, syntax: parameters.regex == true ? .regularExpressions : .words,
                ignoresCase: parameters.caseSensitive != true,
                ignoresDiacritics: parameters.ignoreDiacritics == true)
            return try search.find(query, options: options, budget: budget)
        }
        let found = answer.value
        var room = Self.replyBytes
        let shown = passages(found.occurrences, in: answer.corpora, &room)
        var next = found.next
        if shown.count < found.occurrences.count, let last = shown.last {
            next = .init(sha256: last.corpus, byteOffset: last.offset)
        }
        let counts = zip(answer.corpora, found.countsByCorpus).filter { $0.1 > 0 }.sorted { $0.1 > $1.1 }
        return .init(
            passages: shown, total: found.total,
            counts: counts.prefix(Self.mostCounts).map { corpus, count in
                .init(corpus: corpus.sha256, name: corpus.name, received: corpus.received.interfaceText, count: count)
            }, next: next.map { "\($0.sha256):\($0.byteOffset)" },
            searched: answer.searched(isComplete: found.isComplete), receipt: receipt(model))
    }

    private func contexts(
        _ parameters: InferenceInterface.FillContexts.Parameters, _ questions: CorpusQuestions, for user: UInt32
    ) async throws -> InferenceInterface.FillContexts.Reply {
        let (before, after) = try sides(of: parameters.mask ?? 0, in: parameters.text)
        guard (1...CorpusSearch.maximumCandidates).contains(parameters.candidates.count),
            parameters.candidates.allSatisfy({ $0.utf8.count <= CorpusSearch.maximumQueryBytes })
        else { throw VarlinkServiceError.invalidParameter(parameter: "candidates") }
        var options = ContextOptions(contextBytes: Self.contextBytes)
        options.occurrences = try passages(parameters.passages)
        let model = try await searchedModel(parameters.model, preferring: .mlm)
        let answer = try await questions.ask(model, for: user) { [options] search, budget in
            try search.contexts(
                before: before, candidates: parameters.candidates, after: after, options: options, budget: budget)
        }
        let found = answer.value
        var room = Self.replyBytes
        return .init(
            before: found.left, after: found.right,
            candidates: found.candidates.map { candidate in
                .init(
                    candidate: candidate.text, count: candidate.count, widestLeft: candidate.widestLeft,
                    widestRight: candidate.widestRight, widestCount: candidate.widestCount,
                    passages: passages(candidate.occurrences, in: answer.corpora, &room))
            }, searched: answer.searched(isComplete: found.isComplete), receipt: receipt(model))
    }

    /// Returns the named model, or the first one that has a generation.
    func searchedModel(_ name: String?, preferring objective: Objective?) async throws -> ServingModel {
        if name == nil {
            for settings in models.filter({ $0.objective == objective }) + models {
                if let model = await registry.model(settings.name) { return model }
            }
        }
        return try await model(name)
    }

    /// Returns the text before and after a mask, up to the masks next to it and as much of it as can be searched for.
    private func sides(of mask: Int, in text: String) throws -> (before: String, after: String) {
        let parts = text.split(separator: SpecialToken.mask.content, omittingEmptySubsequences: false)
        guard parts.count > 1 else {
            throw InferenceInterface.NoMask(text: text.bounded(toBytes: RequestLimits.quotedBytes))
        }
        guard (0..<parts.count - 1).contains(mask) else {
            throw VarlinkServiceError.invalidParameter(parameter: "mask")
        }
        // A scalar has at most four bytes.
        let most = CorpusSearch.maximumQueryBytes / 4
        return (
            String(parts[mask].unicodeScalars.suffix(most)), String(parts[mask + 1].unicodeScalars.prefix(most))
        )
    }

    private func passages(_ asked: Int?) throws -> Int {
        let passages = asked ?? Self.usualPassages
        guard (0...Self.mostPassages).contains(passages) else {
            throw VarlinkServiceError.invalidParameter(parameter: "passages")
        }
        return passages
    }

    /// - Parameter room: bytes left in the reply; occurrences over it are left out, except for the first one
    private func passages(
        _ occurrences: [Occurrence], in corpora: [CorpusIndexes.Corpus], _ room: inout Int
    ) -> [InferenceInterface.Passage] {
        var passages: [InferenceInterface.Passage] = []
        for occurrence in occurrences {
            let passage = InferenceInterface.Passage(
                corpus: occurrence.sha256, name: corpora[occurrence.corpus].name, line: occurrence.line,
                offset: occurrence.byteOffset, before: occurrence.before,
                matched: occurrence.match.bounded(toBytes: Self.matchBytes), after: occurrence.after)
            room -= bytes([passage])
            guard room >= 0 || passages.isEmpty else { break }
            passages.append(passage)
        }
        return passages
    }

    private func cursor(_ text: String) throws -> Concordance.Cursor {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, parts[0].utf8.count == 64, let offset = Int(parts[1]), offset >= 0 else {
            throw VarlinkServiceError.invalidParameter(parameter: "after")
        }
        return .init(sha256: String(parts[0]), byteOffset: offset)
    }
}

/// The approximate size of passages as JSON.
private func bytes(_ passages: [InferenceInterface.Passage]) -> Int {
    passages.reduce(0) {
        $0 + 256 + $1.name.utf8.count + $1.before.utf8.count + $1.matched.utf8.count + $1.after.utf8.count
    }
}
