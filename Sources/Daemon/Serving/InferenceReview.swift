import AsyncSupport
import Database
import Datasets
import Inference
import Interface
import Settings
import Varlink
import VarlinkServer

/// Access to the text of corpora for reviews.
package struct CorpusReviews: Sendable {
    private let metrics: StateStore
    private let directory: StateDirectory
    /// Throws if a user may not be shown text of the corpora.
    let mayShowCorpusText: @Sendable (PeerCredentials) throws -> Void
    /// A review takes minutes, so it is counted apart from other requests.
    let admission = RequestLimiter(limit: 4, limitOfUser: 2)

    package init(
        metrics: StateStore, directory: StateDirectory,
        mayShowCorpusText: @escaping @Sendable (PeerCredentials) throws -> Void
    ) {
        self.metrics = metrics
        self.directory = directory
        self.mayShowCorpusText = mayShowCorpusText
    }

    /// Reads an admitted corpus, or a sample of it.
    /// - Throws: `CorpusNotFound`, `CorpusUnreadable`, `Overloaded`, `CancellationError`
    func sample(_ sha256: String, mostBytes: Int, for user: UInt32) async throws -> CorpusSample {
        do {
            return try await Blocking.corpora.run(for: user) { [metrics, directory] flag in
                guard let corpus = try metrics.remaining(of: [sha256]).first else {
                    throw InferenceInterface.CorpusNotFound(sha256: sha256)
                }
                do {
                    return try CorpusSample(path: "\(directory.corpus)/\(corpus.sha256)", mostBytes: mostBytes) {
                        try flag.check()
                    }
                } catch let error as DatasetError {
                    throw InferenceInterface.CorpusUnreadable(sha256: sha256, reason: "\(error)")
                }
            }
        } catch let error as ManagerInterface.Overloaded {
            throw InferenceInterface.Overloaded(retryAfterMs: error.retryAfterMs)
        }
    }
}

extension InferenceService {
    private static let usualLines = 20
    private static let mostLines = 1000
    /// Number of hexadecimal digits of a SHA-256.
    private static let digits = 64
    /// The shortest time between two reports of progress.
    private static let progressInterval = Duration.milliseconds(500)

    func registerReview(_ reviews: CorpusReviews, with service: inout VarlinkService) {
        service.handleMore(InferenceInterface.Review.self) { parameters, context, writer in
            try reviews.mayShowCorpusText(context.peer)
            guard context.more else { throw VarlinkServiceError.expectedMore }
            guard (1...Self.mostLines).contains(parameters.limit ?? 1) else {
                throw VarlinkServiceError.invalidParameter(parameter: "limit")
            }
            let user = context.peer.uid
            try await interfaceErrors {
                try await reviews.admission.admit(for: user) {
                    try reserve(CorpusReview.memoryBytes, context)
                    try await review(parameters, reviews, for: user, writer)
                }
            }
        }
    }

    private func review(
        _ parameters: InferenceInterface.Review.Parameters, _ reviews: CorpusReviews, for user: UInt32,
        _ writer: ReplyWriter<InferenceInterface.Review.Reply>
    ) async throws {
        let model = try await reviewingModel(parameters.model)
        guard parameters.corpus.utf8.count == Self.digits else {
            throw InferenceInterface.CorpusNotFound(sha256: String(parameters.corpus.prefix(Self.digits)))
        }
        let sample = try await reviews.sample(
            parameters.corpus, mostBytes: CorpusReview.sampleBytes(model.engine.objective), for: user)
        func reply(_ scored: Int) -> InferenceInterface.Review.Reply {
            .init(scoredLines: scored, sampledLines: sample.lines.count, isSample: sample.isPartial)
        }
        try await writer.send(reply(0))
        var last = ContinuousClock.now
        let found = try await CorpusReview(engine: model.engine, sample: sample, user: user)
            .lines(parameters.limit ?? Self.usualLines) { scored in
                guard last.duration(to: .now) >= Self.progressInterval else { return }
                last = .now
                try await writer.send(reply(scored))
            }
        var final = reply(sample.lines.count)
        final.bitsPerByte = found.bitsPerByte
        final.receipt = receipt(model)
        final.lines = found.lines.map { line in
            let read = sample.lines[line.index]
            return .init(
                line: read.number, offset: read.offset, text: read.text, bits: line.bits,
                bitsPerByte: line.bitsPerByte, place: line.place?.lowerBound, length: line.place?.count)
        }
        try await writer.finish(final)
    }

    /// Returns the named model, or the first one that has a generation.
    private func reviewingModel(_ name: String?) async throws -> ServingModel {
        if name == nil {
            for settings in models {
                if let model = await registry.model(settings.name) { return model }
            }
        }
        return try await model(name)
    }
}
