import Durable
import Inference
import Interface
import Varlink
import VarlinkServer

extension InferenceService {
    private static let usualPassages = 10
    private static let mostSimilar = 100
    /// Maximum size of a text that is compared, in bytes.
    private static let comparedBytes = 1 << 16
    /// Maximum size of the text of a passage in a reply, in bytes.
    private static let passageBytes = 1 << 10
    /// Memory in bytes that a question uses: the scores of all passages, and the reply.
    private static let similarMemory = 8 << 20

    func registerSimilar(_ similar: SimilarPassages, with service: inout VarlinkService) {
        service.handle(
            InferenceInterface.Similar.self,
            replyBytes: { ($0.byEmbedding.count + $0.byWords.count) * 2 * Self.passageBytes }
        ) { parameters, context in
            try similar.questions.checkAccess(context.peer)
            let limit = parameters.limit ?? Self.usualPassages
            guard (1...Self.mostSimilar).contains(limit) else {
                throw VarlinkServiceError.invalidParameter(parameter: "limit")
            }
            guard parameters.text.utf8.count <= Self.comparedBytes else {
                throw VarlinkServiceError.invalidParameter(parameter: "text")
            }
            try reserve(Self.similarMemory, context)
            return try await answer(context) { user in
                let model = try await searchedModel(parameters.model, preferring: nil)
                let embedding = try await model.engine.beginningEmbeddings([parameters.text], for: user)[0]
                let found = try await similar.nearest(
                    to: parameters.text, embedding.vector, in: model, limit: limit, for: user)
                return .init(
                    byEmbedding: found.byEmbedding.map(Self.asInterface), byWords: found.byWords.map(Self.asInterface),
                    passages: found.passages, isSample: found.isSample, isCut: embedding.isCut,
                    searched: found.searched, receipt: receipt(model))
            }
        }
    }

    private static func asInterface(_ passage: SimilarPassages.Passage) -> InferenceInterface.SimilarPassage {
        .init(
            corpus: passage.corpus.sha256, name: passage.corpus.name, line: passage.place.line,
            offset: passage.place.offset, text: passage.text.bounded(toBytes: passageBytes), score: passage.score)
    }
}
