import AsyncSupport
import Datasets
import Durable
import Glibc
import Inference
import Interface

/// Compares a text with the passages of the corpora that a generation was trained on.
struct SimilarPassages: Sendable {
    /// How long a question waits for embeddings that are being computed.
    private static let patience = Duration.seconds(5)
    /// When a client should ask again meanwhile.
    private static let retryMilliseconds = 500
    /// Passages that are read between two checks for cancellation.
    private static let passagesPerCheck = 256

    private static let blocking = Blocking("similar", most: 16)

    let questions: CorpusQuestions
    private let files: PassageFiles

    init(_ questions: CorpusQuestions, _ files: PassageFiles) {
        self.questions = questions
        self.files = files
    }

    struct Passage: Sendable {
        var corpus: CorpusIndexes.Corpus
        var place: PassageFile.Place
        var text: String
        var score: Double
    }

    struct Answer: Sendable {
        var byEmbedding: [Passage]
        var byWords: [Passage]
        var passages: Int
        var isSample: Bool
        var searched: InferenceInterface.SearchedText
    }

    /// - Parameter vector: the embedding of the text
    /// - Throws: `NotSearchable`, `IndexNotReady`, `Overloaded`, `CancellationError`
    func nearest(
        to text: String, _ vector: [Float], in model: ServingModel, limit: Int, for user: UInt32
    ) async throws -> Answer {
        let patienceEnds = ContinuousClock.now + Self.patience
        while true {
            do {
                return try await Self.blocking.run(for: user) { flag in
                    try nearest(to: text, vector, in: model, limit: limit, flag)
                }
            } catch PassageFiles.Obstacle.building(let bytes, let total) {
                guard .now < patienceEnds else {
                    throw InferenceInterface.IndexNotReady(
                        bytes: bytes, totalBytes: total, retryAfterMs: Self.retryMilliseconds)
                }
                await files.wait(atMost: patienceEnds - .now)
                try Task.checkCancellation()
            } catch PassageFiles.Obstacle.failed(let reason) {
                throw InferenceInterface.NotSearchable(model: model.name, reason: reason)
            } catch PassageFiles.Obstacle.stopping {
                throw InferenceInterface.NotSearchable(model: model.name, reason: "the service is stopping")
            } catch let error as ManagerInterface.Overloaded {
                throw InferenceInterface.Overloaded(retryAfterMs: error.retryAfterMs)
            }
        }
    }

    private func nearest(
        to text: String, _ vector: [Float], in model: ServingModel, limit: Int, _ flag: CancellationFlag
    ) throws -> Answer {
        let scope = try questions.scope(of: model)
        let corpora = scope.corpora.filter { access(files.text(of: $0), F_OK) == 0 }
        guard !corpora.isEmpty else {
            throw InferenceInterface.NotSearchable(
                model: model.name, reason: "all corpora that it was trained on were removed")
        }
        let file = try files.open(model, corpora)
        let cosines = file.cosines(with: file.whitening.apply(vector))
        let texts = corpora.map { try? MappedFile(files.text(of: $0), followsLinks: false) }
        // The files stay mapped while they are read.
        defer { withExtendedLifetime((file, texts)) {} }
        /// The corpus of each passage.
        var owners: [Int] = []
        for (index, corpus) in file.header.corpora.enumerated() {
            owners += repeatElement(index, count: corpus.passages)
        }
        func bytes(_ index: Int) -> UnsafeRawBufferPointer {
            let place = file.place(index)
            guard let bytes = texts[owners[index]]?.bytes, place.length <= CorpusPassages.mostBytes,
                place.offset <= bytes.count, place.length <= bytes.count - place.offset
            else { return UnsafeRawBufferPointer(start: nil, count: 0) }
            return UnsafeRawBufferPointer(rebasing: bytes[place.offset..<place.offset + place.length])
        }
        var words = PassageWords(text)
        for index in owners.indices {
            if index % Self.passagesPerCheck == 0 { try flag.check() }
            words.add(bytes(index))
        }
        func passages(_ order: some Sequence<Int>, _ score: (Int) -> Double) -> [Passage] {
            order.map { index in
                Passage(
                    corpus: corpora[owners[index]], place: file.place(index),
                    text: CorpusPassages.text(bytes(index)), score: score(index))
            }
        }
        let scores = words.scores
        let near = owners.indices.sorted { (cosines[$0], $1) > (cosines[$1], $0) }.prefix(limit)
        let common = owners.indices.filter { scores[$0] > 0 }.sorted { (scores[$0], $1) > (scores[$1], $0) }
            .prefix(limit)
        return Answer(
            byEmbedding: passages(near) { Double(cosines[$0]) }, byWords: passages(common) { scores[$0] },
            passages: owners.count, isSample: file.header.corpora.contains(where: \.isPartial),
            searched: .init(
                corpora: corpora.count, bytes: corpora.reduce(0) { $0 + $1.bytes },
                removed: scope.removed + scope.corpora.count - corpora.count, omitted: scope.omitted, complete: true))
    }
}
