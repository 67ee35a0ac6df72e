import Daemon
import Datasets
import Jobs
import Settings
import Testing
import TextFilters

@Suite("What a run starts from")
struct StartDecisionTests {
    private static func corpus(_ letter: String, bytes: Int) -> JobCorpus {
        JobCorpus(sha256: String(repeating: letter, count: 64), name: "\(letter).txt", path: "/c", bytes: bytes)
    }

    private static func job(_ corpora: [JobCorpus]) -> Job {
        Job(
            run: "m-4", model: "m", generation: 4, objective: .mlm, architecture: Preset.small.architecture,
            recipe: RecipeName.default.recipe(for: .mlm), corpora: corpora, samples: .auto, filters: [.lowercase],
            tokenizer: nil, wordCountsDirectory: nil, runDirectory: "/r", outputDirectory: "/m/4")
    }

    private static let old = [corpus("a", bytes: 900), corpus("b", bytes: 300)]
    private static let new = corpus("c", bytes: 400)

    /// Generation 3, trained on `old`.
    private static func generation(
        warmStarts: Int? = nil, heldOutByHash: Bool? = true, layoutVersion: Int? = CorpusLayout.version,
        rejectedSuccessor: Int? = nil, _ change: (inout Job) -> Void = { _ in }
    ) throws -> StartDecision.Generation {
        var trained = job(old)
        trained.start = warmStarts.map {
            JobStart(generation: 2, directory: "/m/2", modelSha256: "", corpora: [], warmStarts: $0)
        }
        change(&trained)
        let arguments = TrainingArguments(
            job: trained, longestPosition: 9, steps: 1, trainingTokens: 2, tokenizerVocabulary: 300,
            heldOutByHash: heldOutByHash, layoutVersion: layoutVersion, evaluation: nil)
        return StartDecision.Generation(
            number: 3, directory: "/m/3", modelSha256: "ab",
            facts: try JobCoding.decode(TrainingFacts.self, from: JobCoding.encode(arguments)),
            architecture: trained.architecture, rejectedSuccessor: rejectedSuccessor)
    }

    private static func decide(
        _ setting: StartSetting, _ generation: StartDecision.Generation, _ corpora: [JobCorpus] = old + [new],
        _ change: (inout Job) -> Void = { _ in }
    ) -> StartDecision {
        var job = job(corpora)
        change(&job)
        return StartDecision(setting, job: job, serving: .generation(generation))
    }

    private static func start(warmStarts: Int) -> JobStart {
        JobStart(
            generation: 3, directory: "/m/3", modelSha256: "ab", corpora: old.map(\.sha256), warmStarts: warmStarts)
    }

    private static func reason(_ decision: StartDecision) -> FreshReason? {
        if case .fresh(let reason) = decision { reason } else { nil }
    }

    @Test(
        "Less than a third of new text starts from the generation that serves",
        arguments: [StartSetting.auto, .previous])
    func littleNewText(setting: StartSetting) throws {
        #expect(
            Self.decide(setting, try Self.generation()) == .previous(Self.start(warmStarts: 1), newShare: 0.25))
        #expect(
            Self.decide(setting, try Self.generation(warmStarts: 8))
                == .previous(Self.start(warmStarts: 9), newShare: 0.25))
    }

    @Test("fresh never starts from a generation")
    func freshSetting() throws {
        #expect(Self.decide(.fresh, try Self.generation()) == .fresh(.setting))
    }

    @Test("Without a usable generation, a run starts fresh", arguments: [StartSetting.auto, .previous])
    func noGeneration(setting: StartSetting) throws {
        func decide(_ serving: StartDecision.Serving) -> StartDecision {
            StartDecision(setting, job: Self.job(Self.old), serving: serving)
        }
        #expect(decide(.nothing) == .fresh(.nothingServes))
        #expect(decide(.imported(3)) == .fresh(.imported(3)))
        #expect(decide(.unreadable(3, reason: "x")) == .fresh(.unreadable(3, "x")))
        #expect(decide(.generation(try Self.generation { $0.corpora = [] })) == .fresh(.imported(3)))
    }

    @Test("auto starts fresh if a third of the text is new, previous does not")
    func muchNewText() throws {
        let corpora = Self.old + [Self.corpus("c", bytes: 600)]
        #expect(Self.decide(.auto, try Self.generation(), corpora) == .fresh(.muchNew(1.0 / 3)))
        #expect(
            Self.decide(.previous, try Self.generation(), corpora)
                == .previous(Self.start(warmStarts: 1), newShare: 1.0 / 3))
    }

    @Test("auto starts fresh every tenth time, previous does not")
    func everyTenthTime() throws {
        let generation = try Self.generation(warmStarts: 9)
        #expect(Self.decide(.auto, generation) == .fresh(.manyWarmStarts(9)))
        #expect(Self.decide(.previous, generation) == .previous(Self.start(warmStarts: 10), newShare: 0.25))
    }

    @Test("A removed corpus is forgotten", arguments: [StartSetting.auto, .previous])
    func removedCorpus(setting: StartSetting) throws {
        let decision = Self.decide(setting, try Self.generation(), [Self.old[0], Self.new])
        #expect(decision == .fresh(.removed(["b.txt"], 3)))
        #expect(Self.reason(decision)?.description.contains("b.txt") == true)
    }

    @Test("Without new text, a run starts fresh", arguments: [StartSetting.auto, .previous])
    func nothingNew(setting: StartSetting) throws {
        #expect(Self.decide(setting, try Self.generation(), Self.old) == .fresh(.nothingNew(3)))
    }

    @Test(
        "After a generation that was not better than the one it started from, a run starts fresh",
        arguments: [StartSetting.auto, .previous])
    func lost(setting: StartSetting) throws {
        #expect(Self.decide(setting, try Self.generation(rejectedSuccessor: 4)) == .fresh(.lost(4, to: 3)))
    }

    @Test("Other samples or held-out text start fresh", arguments: [StartSetting.auto, .previous])
    func otherSamples(setting: StartSetting) throws {
        func difference(
            _ generation: StartDecision.Generation, _ change: (inout Job) -> Void = { _ in }
        ) throws -> String {
            guard
                case .differs(let what, 3) = Self.reason(
                    Self.decide(setting, generation, Self.old + [Self.new], change))
            else {
                Issue.record("the generation was used")
                return ""
            }
            return what
        }
        let generation = try Self.generation()
        #expect(try difference(generation) { $0.objective = .clm } == "the objective")
        #expect(try difference(generation) { $0.filters = [] } == "the filters of a.txt")
        #expect(try difference(generation) { $0.corpora[1].filters = [.stripURLs] } == "the filters of b.txt")
        #expect(try difference(generation) { $0.samples = .lines } == "the samples of a.txt")
        #expect(try difference(generation) { $0.corpora[1].samples = .records } == "the samples of b.txt")
        #expect(try difference(generation) { $0.recipe.heldOut = 0.1 } == "the share held_out")
        for generation in [try Self.generation(heldOutByHash: false), try Self.generation(heldOutByHash: nil)] {
            #expect(try difference(generation).contains("if there is little"))
        }
        for version in [nil, CorpusLayout.version - 1] {
            #expect(try difference(try Self.generation(layoutVersion: version)).contains("version"))
        }
    }

    @Test("Filters of an inbox folder count as those of its corpora, and those of a new corpus do not matter")
    func filtersOfCorpora() throws {
        let generation = try Self.generation { $0.corpora[1].filters = [.stripURLs] }
        #expect(
            Self.decide(.auto, generation) { $0.corpora[1].filters = [.stripURLs] }
                == .previous(Self.start(warmStarts: 1), newShare: 0.25))
        #expect(Self.reason(Self.decide(.auto, generation)) == .differs("the filters of b.txt", 3))
        #expect(
            Self.decide(.auto, try Self.generation()) { $0.corpora[2].filters = [] }
                == .previous(Self.start(warmStarts: 1), newShare: 0.25))
    }

    @Test("A set number that the generation does not have starts fresh", arguments: [StartSetting.auto, .previous])
    func otherArchitecture(setting: StartSetting) throws {
        let generation = try Self.generation()
        #expect(
            Self.decide(setting, generation) { $0.architecture.numHiddenLayers = 6 }
                == .fresh(.architecture("num_hidden_layers is 6, but the generation has 4")))
        #expect(
            Self.decide(setting, generation) { $0.architecture = Preset.auto.architecture }
                == .previous(Self.start(warmStarts: 1), newShare: 0.25))
    }

    @Test("Only reasons that a user could not expect are told with auto")
    func notableReasons() {
        #expect(!FreshReason.setting.isNotable && !FreshReason.nothingServes.isNotable)
        #expect(FreshReason.removed(["a"], 1).isNotable && FreshReason.muchNew(0.5).isNotable)
    }
}
