import Daemon
import Database
import FoundationEssentials
import Glibc
import Interface
import Jobs
import Logging
import Settings
import TestSupport
import Testing
import Varlink
import VarlinkServer

/// The methods that show text of corpora, over a socket.
@Suite(.timeLimit(.minutes(15))) struct SearchTests {
    static let text = """
        Human reason, in one sphere of its cognition, is called upon to consider questions.
        The wise judge keeps the red lamp near the sea.
        Every judge keeps the old lamp near the sea.

        """

    /// Serves a model that was trained on a corpus.
    private func withModel(
        trace: TraceAccess = .everyone, administrators: Administrators = .ownUser, isForOneUser: Bool = false,
        _ body:
            @escaping @Sendable (_ client: VarlinkClient, _ remove: () throws -> Void, _ socket: String) throws -> Void
    ) async throws {
        let models = try ServingTests.Models(generations: 1, of: "m", objective: .clm)
        let stored = try CorpusIndexesTests.Stored()
        let corpus = try stored.add("judge.txt", Self.text)
        try Data(
            #"{"run": "m-1", "filters": [], "longest_position": 100, "corpora": [{"sha256": "\#(corpus.sha256)", "name": "a", "bytes": 9}]}"#
                .utf8
        ).write(to: URL(filePath: models.directory.generation(1, of: "m") + "/training_args.json"))
        let registry = ModelRegistry(directory: models.directory)
        _ = try await registry.loadCurrent("m")
        var settings = Settings.builtIn
        settings.models = [ModelSettings(name: "m", objective: .clm), ModelSettings(name: "new", objective: .mlm)]
        settings.serving.trace = trace
        settings.retention.reserveBytes = 0
        let live = ReloadableSettings(settings)
        let indexes = CorpusIndexes(directory: stored.directory, settings: live, journal: stored.journal)
        let catalog = stored.catalog(indexes)
        var inference = InferenceService(settings: live, registry: registry) { _ in "" }
        inference.questions = CorpusQuestions(
            settings: live, metrics: stored.metrics, catalog: catalog, indexes: indexes, administrators: administrators,
            isForOneUser: isForOneUser)
        var service = VarlinkService(vendor: "", product: "", version: "", url: "")
        inference.register(with: &service)
        let socket = models.directory.root + "/socket"
        let server = VarlinkServer(
            service: service, listener: .path(socket), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let (listening, isListening) = AsyncStream.makeStream(of: Void.self)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await server.run { isListening.yield() } }
            for await _ in listening { break }
            let sha256 = corpus.sha256
            let result: Result<Void, any Error>
            do {
                result = .success(
                    try await blocking {
                        let client = try VarlinkClient(path: socket, errors: InferenceInterface.errors)
                        let remove = { _ = try catalog.remove(sha256: sha256) }
                        try body(client, remove, socket)
                    })
            } catch {
                result = .failure(error)
            }
            group.cancelAll()
            try result.get()
        }
        withExtendedLifetime((models, stored)) {}
    }

    @Test func tracesTextToItsLines() async throws {
        try await withModel { client, _, _ in
            let answer = "I say: the wise judge keeps the red lamp for Ünal"
            let reply = try client.call(InferenceInterface.Trace.self, .init(text: answer, minimumWords: 3))
            let span = try #require(reply.spans.first)
            #expect(span.count == 1 && span.words == 6)
            let scalars = Array(answer.unicodeScalars)[span.offset..<span.offset + span.length]
            #expect(String(String.UnicodeScalarView(scalars)) == "wise judge keeps the red lamp")
            let passage = try #require(span.passages.first)
            #expect(passage.name == "judge.txt" && passage.line == 2)
            #expect(passage.matched == "wise judge keeps the red lamp")
            #expect(passage.after.hasPrefix(" near the sea") && passage.before.hasSuffix("The "))
            #expect(reply.words == 11 && reply.verbatimWords == 6 && reply.omittedSpans == 0)
            #expect(
                reply.searched
                    == .init(
                        corpora: 1, bytes: Self.text.utf8.count, removed: 0, omitted: 0, complete: true))
            #expect(reply.receipt.model == "m" && reply.receipt.generation == 1)
        }
    }

    @Test func findsWordsPageByPage() async throws {
        try await withModel { client, _, _ in
            let all = try client.call(InferenceInterface.Find.self, .init(query: "judge keeps"))
            #expect(all.total == 2 && all.passages.map(\.line) == [2, 3] && all.next == nil)
            #expect(all.counts.map(\.count) == [2] && all.counts[0].name == "judge.txt")
            let first = try client.call(InferenceInterface.Find.self, .init(query: "JUDGE", limit: 1))
            #expect(first.total == 2 && first.passages.map(\.line) == [2])
            let second = try client.call(
                InferenceInterface.Find.self, .init(query: "JUDGE", limit: 1, after: first.next))
            #expect(second.passages.map(\.line) == [3])
            let exact = try client.call(InferenceInterface.Find.self, .init(query: "JUDGE", caseSensitive: true))
            #expect(exact.total == 0 && exact.passages.isEmpty)
            #expect(try client.call(InferenceInterface.Find.self, .init(query: "jud*")).total == 2)
            #expect(
                try client.call(InferenceInterface.Find.self, .init(query: "(red|old) lamp", regex: true)).total == 2)
            #expect(throws: InferenceInterface.InvalidQuery.self) {
                try client.call(InferenceInterface.Find.self, .init(query: "(red", regex: true))
            }
            #expect(throws: VarlinkServiceError.invalidParameter(parameter: "after")) {
                try client.call(InferenceInterface.Find.self, .init(query: "red", after: "1"))
            }
            #expect(throws: VarlinkServiceError.invalidParameter(parameter: "limit")) {
                try client.call(InferenceInterface.Find.self, .init(query: "red", limit: 0))
            }
        }
    }

    @Test func countsCandidatesInThePlaceOfAMask() async throws {
        try await withModel { client, _, _ in
            let reply = try client.call(
                InferenceInterface.FillContexts.self,
                .init(text: "Every judge keeps the <mask> lamp.", candidates: [" old", " red", " green"]))
            #expect(reply.candidates.map(\.candidate) == [" old", " red", " green"])
            #expect(reply.candidates.map(\.widestCount) == [1, 1, 0])
            #expect(reply.candidates[0].passages.first?.line == 3)
            #expect(throws: InferenceInterface.NoMask.self) {
                try client.call(InferenceInterface.FillContexts.self, .init(text: "no", candidates: ["a"]))
            }
            #expect(throws: VarlinkServiceError.invalidParameter(parameter: "mask")) {
                try client.call(
                    InferenceInterface.FillContexts.self, .init(text: "a <mask>", candidates: ["a"], mask: 1))
            }
            #expect(throws: VarlinkServiceError.invalidParameter(parameter: "candidates")) {
                try client.call(InferenceInterface.FillContexts.self, .init(text: "a <mask>", candidates: []))
            }
        }
    }

    @Test func removedCorporaAreNotShown() async throws {
        try await withModel { client, remove, _ in
            #expect(try client.call(InferenceInterface.Find.self, .init(query: "judge")).total == 2)
            try remove()
            #expect(
                throws: InferenceInterface.NotSearchable(
                    model: "m", reason: "all corpora that it was trained on were removed")
            ) {
                try client.call(InferenceInterface.Find.self, .init(query: "judge"))
            }
        }
    }

    @Test func textsThatAreTooLongAreRefused() async throws {
        try await withModel { client, _, _ in
            let long = String(repeating: "word ", count: 300_000)
            #expect(throws: VarlinkServiceError.invalidParameter(parameter: "text")) {
                try client.call(InferenceInterface.Trace.self, .init(text: long))
            }
            // Bounded, whatever it matches.
            let page = try client.call(InferenceInterface.Find.self, .init(query: "*", limit: 1000))
            #expect(page.total > 30 && page.searched.complete)
        }
    }

    /// Calls whose clients hang up leave no place taken.
    @Test func callsThatAreAbandonedHinderNobody() async throws {
        try await withModel { client, _, socket in
            _ = try client.call(InferenceInterface.Find.self, .init(query: "judge"))
            // The connection is closed as soon as the call is sent.
            for _ in 0..<200 {
                try VarlinkClient(path: socket).callOneway(InferenceInterface.Find.self, .init(query: "*", limit: 1000))
            }
            while true {
                do {
                    #expect(try client.call(InferenceInterface.Find.self, .init(query: "judge")).total == 2)
                    return
                } catch is InferenceInterface.Overloaded {}
            }
        }
    }

    /// Users who are no administrators: no test runs as this user.
    private static let others = Administrators(user: 4_000_000, userName: "other")

    @Test(
        .enabled(if: geteuid() != 0, "root is always an administrator"),
        arguments: [(TraceAccess.admins, false), (.auto, false), (.off, true)])
    func traceSettingRefuses(access: TraceAccess, isForOneUser: Bool) async throws {
        try await withModel(trace: access, administrators: Self.others, isForOneUser: isForOneUser) { client, _, _ in
            #expect(throws: (any Error).self) { try client.call(InferenceInterface.Find.self, .init(query: "judge")) }
        }
    }

    @Test(arguments: TraceAccess.allCases, [true, false])
    func accessFollowsTheSetting(access: TraceAccess, isForOneUser: Bool) throws {
        let stored = try CorpusIndexesTests.Stored()
        var settings = Settings.builtIn
        settings.serving.trace = access
        let live = ReloadableSettings(settings)
        let indexes = stored.indexes
        let questions = CorpusQuestions(
            settings: live, metrics: stored.metrics, catalog: stored.catalog(indexes), indexes: indexes,
            administrators: Administrators(user: 77, userName: "service", group: 88, groupName: "admins"),
            isForOneUser: isForOneUser)
        func mayAsk(_ peer: PeerCredentials) -> Bool { (try? questions.checkAccess(peer)) != nil }
        let member = PeerCredentials(pid: 1, uid: 1000, gid: 1000, groups: [4])
        let admin = PeerCredentials(pid: 1, uid: 1000, gid: 1000, groups: [4, 88])
        let owner = PeerCredentials(pid: 1, uid: 77, gid: 77)
        #expect(mayAsk(member) == (access == .everyone || access == .auto && isForOneUser))
        #expect(mayAsk(admin) == (access != .off))
        #expect(mayAsk(owner) == (access != .off))
        if access == .off {
            #expect(throws: InferenceInterface.TraceDisabled.self) { try questions.checkAccess(owner) }
        } else if !mayAsk(member) {
            #expect {
                try questions.checkAccess(member)
            } throws: { error in
                guard case .permissionDenied(let needs)? = error as? VarlinkServiceError else { return false }
                return needs.contains("the group admins")
            }
        }
    }
}
