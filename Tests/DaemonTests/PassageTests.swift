import Daemon
import Database
import FoundationEssentials
import Glibc
import Inference
import Interface
import Jobs
import Logging
import Settings
import TestSupport
import Testing
import Varlink
import VarlinkServer

/// Words in common.
@Suite struct PassageWordsTests {
    private func scores(_ text: String, _ passages: [String]) -> [Double] {
        var words = PassageWords(text)
        for passage in passages { words.add(passage.utf8) }
        return words.scores
    }

    @Test func rareWordsCountMore() {
        let found = scores("the lamp", ["the judge", "the lamp", "a lamp, a Lamp", "none"])
        #expect(found[1] > found[0] && found[2] > found[0] && found[3] == 0)
        // Case and punctuation do not matter, also beyond ASCII.
        #expect(scores("Über", ["über,", "uber"])[0] > 0 && scores("Über", ["über,", "uber"])[1] == 0)
    }

    @Test func scoresAreThoseOfBM25() {
        // By hand: N = 3, the word is in two passages, lengths 1, 2 and 3, mean 2.
        let weight = log(1 + (3 - 2 + 0.5) / (2 + 0.5))
        let found = scores("reason", ["reason", "pure thought", "reason reason void"])
        #expect(abs(found[0] - weight * 2.2 / (1 + 1.2 * (0.25 + 0.75 * 0.5))) < 1e-12)
        #expect(abs(found[2] - weight * 2 * 2.2 / (2 + 1.2 * (0.25 + 0.75 * 1.5))) < 1e-12)
    }

    @Test func textsWithoutWordsHaveNoScores() {
        #expect(scores("", ["a"]) == [0] && scores("...", ["..."]) == [0] && scores("a", []).isEmpty)
    }
}

/// The cache of embeddings.
@Suite struct PassageFileTests {
    private static let header = PassageFile.Header(
        modelSha256: "ab", dimension: 3,
        corpora: [
            .init(sha256: "c1", passages: 2, isPartial: false), .init(sha256: "c2", passages: 1, isPartial: true),
        ])
    private static let places: [PassageFile.Place] = [
        .init(offset: 0, line: 1, length: 5), .init(offset: 6, line: 2, length: 7),
        .init(offset: 1 << 40, line: 3, length: 9),
    ]
    private static let vectors: [[Float]] = [[1, 0, 0], [0, 2, 0], [0, 0, -3]]
    private static let whitening = Whitening(mean: [0, 0, 0], factor: [1, 0, 0, 0, 1, 0, 0, 0, 1])!

    private func written() throws -> String {
        let path = "/tmp/passages-\(UUID().uuidString)"
        try PassageFile.write(to: path, Self.header, Self.whitening, places: Self.places, check: {}) {
            Self.vectors[$0]
        }
        return path
    }

    @Test func fileHasWhatWasWritten() throws {
        let path = try written()
        defer { unlink(path) }
        let file = try PassageFile(path: path)
        #expect(file.header == Self.header && file.whitening == Self.whitening)
        #expect((0..<3).map { file.place($0) } == Self.places)
        #expect(file.cosines(with: [1, 0, 0]) == [1, 0, 0])
        #expect(file.cosines(with: [0, 0, 1]) == [0, 0, -1])
        #expect(try PassageFile.header(path: path) == Self.header)
    }

    @Test func everyDamagedByteIsNoticed() throws {
        let path = try written()
        defer { unlink(path) }
        let bytes = Array(try Data(contentsOf: URL(filePath: path)))
        for index in bytes.indices {
            var damaged = bytes
            damaged[index] ^= 0x10
            try Data(damaged).write(to: URL(filePath: path))
            #expect(throws: PassageFile.Damaged.self, "\(index)") { try PassageFile(path: path) }
        }
        for count in [0, 7, 16, 100, bytes.count - 1] {
            try Data(bytes.prefix(count)).write(to: URL(filePath: path))
            #expect(throws: PassageFile.Damaged.self, "\(count)") { try PassageFile(path: path) }
        }
    }

    @Test func cancelledWritingLeavesNothing() throws {
        struct Stopped: Error {}
        let path = "/tmp/passages-\(UUID().uuidString)"
        #expect(throws: Stopped.self) {
            try PassageFile.write(
                to: path, Self.header, Self.whitening, places: Self.places, check: { throw Stopped() }
            ) { Self.vectors[$0] }
        }
        #expect(access(path, F_OK) != 0)
    }
}

/// The methods that compare texts with corpora and review them, over a socket.
@Suite(.timeLimit(.minutes(15))) struct SimilarTests {
    private static let text = """
        Human reason, in one sphere of its cognition, is called upon to consider questions.

        The wise judge keeps the red lamp near the sea.

        Every merchant carries the old anchor Ã¼ber the river.

        """

    /// Serves a model that was trained on a corpus.
    private func withModel(
        access: TraceAccess = .everyone, administrators: Administrators = .ownUser,
        _ body:
            @escaping @Sendable (
                _ client: VarlinkClient, _ corpus: String, _ file: String, _ remove: () throws -> Void
            ) throws -> Void
    ) async throws {
        let models = try ServingTests.Models(generations: 1, of: "m", objective: .clm)
        let stored = try CorpusIndexesTests.Stored()
        let corpus = try stored.add("judge.txt", Self.text)
        try copyFolder(models.directory.model("m"), to: stored.directory.model("m"))
        let folder = stored.directory.generation(1, of: "m")
        try Data(
            #"{"run": "m-1", "filters": [], "longest_position": 100, "corpora": [{"sha256": "\#(corpus.sha256)", "name": "a", "bytes": 9}]}"#
                .utf8
        ).write(to: URL(filePath: folder + "/training_args.json"))
        let registry = ModelRegistry(directory: stored.directory)
        _ = try await registry.loadCurrent("m")
        var settings = Settings.builtIn
        settings.models = [ModelSettings(name: "m", objective: .clm)]
        settings.serving.trace = access
        settings.retention.reserveBytes = 0
        let live = ReloadableSettings(settings)
        let indexes = CorpusIndexes(directory: stored.directory, settings: live, journal: stored.journal)
        let passages = PassageFiles(directory: stored.directory, settings: live, journal: stored.journal)
        let catalog = CorpusCatalog(
            metrics: stored.metrics, directory: stored.directory, journal: stored.journal, indexes: indexes,
            passages: passages)
        let questions = CorpusQuestions(
            settings: live, metrics: stored.metrics, catalog: catalog, indexes: indexes, administrators: administrators,
            isForOneUser: false)
        var inference = InferenceService(settings: live, registry: registry) { _ in "" }
        inference.questions = questions
        inference.passages = passages
        inference.reviews = CorpusReviews(
            metrics: stored.metrics, directory: stored.directory, mayShowCorpusText: questions.checkAccess)
        var service = VarlinkService(vendor: "", product: "", version: "", url: "")
        inference.register(with: &service)
        let socket = models.directory.root + "/socket"
        let server = VarlinkServer(
            service: service, listener: .path(socket), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let (listening, isListening) = AsyncStream.makeStream(of: Void.self)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await server.run { isListening.yield() } }
            for await _ in listening { break }
            let result: Result<Void, any Error>
            do {
                result = .success(
                    try await blocking {
                        try body(
                            try VarlinkClient(path: socket, errors: InferenceInterface.errors), corpus.sha256,
                            folder + "/.passages"
                        ) { _ = try catalog.remove(sha256: corpus.sha256) }
                    })
            } catch {
                result = .failure(error)
            }
            group.cancelAll()
            try result.get()
        }
        withExtendedLifetime((models, stored)) {}
    }

    @Test func listsTheNearestPassages() async throws {
        try await withModel { client, corpus, file, _ in
            let text = "The wise judge keeps the red lamp near the sea."
            let reply = try client.call(InferenceInterface.Similar.self, .init(text: text))
            #expect(reply.byEmbedding.count == 3 && reply.passages == 3 && !reply.isSample && !reply.isCut)
            let nearest = try #require(reply.byEmbedding.first)
            #expect(
                nearest.text == text && nearest.line == 3 && nearest.name == "judge.txt" && nearest.corpus == corpus)
            #expect(nearest.score > 0.99 && reply.byEmbedding[1].score < nearest.score)
            #expect(reply.byWords.first?.text == text && reply.byWords.first?.offset == nearest.offset)
            #expect(reply.searched.corpora == 1 && reply.receipt.generation == 1)
            let one = try client.call(InferenceInterface.Similar.self, .init(text: "anchor", limit: 1))
            #expect(one.byEmbedding.count == 1 && one.byWords.map(\.line) == [5])
            // Without a word in common.
            let none = try client.call(InferenceInterface.Similar.self, .init(text: "理性"))
            #expect(none.byWords.isEmpty && none.byEmbedding.count == 3)
            #expect(
                try client.call(InferenceInterface.Similar.self, .init(text: String(repeating: "a b ", count: 999)))
                    .isCut)
            for limit in [0, 101, Int.min] {
                #expect(throws: VarlinkServiceError.invalidParameter(parameter: "limit")) {
                    try client.call(InferenceInterface.Similar.self, .init(text: "a", limit: limit))
                }
            }
            #expect(throws: VarlinkServiceError.invalidParameter(parameter: "text")) {
                try client.call(
                    InferenceInterface.Similar.self, .init(text: String(repeating: "a", count: 65_537)))
            }
            #expect(access(file, F_OK) == 0)
        }
    }

    @Test func embeddingsAreRemovedWithTheirCorpus() async throws {
        try await withModel { client, _, file, remove in
            _ = try client.call(InferenceInterface.Similar.self, .init(text: "lamp"))
            #expect(access(file, F_OK) == 0)
            try remove()
            #expect(access(file, F_OK) != 0)
            #expect(throws: InferenceInterface.NotSearchable.self) {
                try client.call(InferenceInterface.Similar.self, .init(text: "lamp"))
            }
        }
    }

    @Test func damagedEmbeddingsAreComputedAgain() async throws {
        try await withModel { client, _, file, _ in
            // Not the file of this generation.
            try Data("nothing".utf8).write(to: URL(filePath: file))
            let found = try client.call(InferenceInterface.Similar.self, .init(text: "lamp"))
            #expect(found.byWords.map(\.line) == [3])
            #expect(try PassageFile(path: file).header.count == 3)
        }
    }

    @Test func reviewReadsTheCorpus() async throws {
        try await withModel { client, corpus, _, remove in
            let replies = try client.callMore(InferenceInterface.Review.self, .init(corpus: corpus, limit: 2))
            var last: InferenceInterface.Review.Reply?
            while let reply = try replies.next() { last = reply }
            #expect(last?.lines?.count == 2 && last?.sampledLines == 3 && last?.isSample == false)
            try remove()
            #expect(throws: InferenceInterface.CorpusNotFound(sha256: corpus)) {
                let replies = try client.callMore(InferenceInterface.Review.self, .init(corpus: corpus))
                _ = try replies.next()
            }
        }
    }

    @Test(arguments: [TraceAccess.off, .admins], ["Similar", "Review"])
    func traceSettingRefuses(access: TraceAccess, method: String) async throws {
        guard access == .off || geteuid() != 0 else { return }
        let others = Administrators(user: 4_000_000, userName: "other")
        try await withModel(access: access, administrators: others) { client, corpus, _, _ in
            do {
                if method == "Similar" {
                    _ = try client.call(InferenceInterface.Similar.self, .init(text: "a"))
                } else {
                    let replies = try client.callMore(InferenceInterface.Review.self, .init(corpus: corpus))
                    _ = try replies.next()
                }
                Issue.record("text of the corpus was shown")
            } catch is InferenceInterface.TraceDisabled {
                #expect(access == .off)
            } catch VarlinkServiceError.permissionDenied {
                #expect(access == .admins)
            }
        }
    }
}
