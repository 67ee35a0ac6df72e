import FoundationEssentials
import Jobs
import Testing

@Suite struct JobStartTests {
    private static let digests = ["0a", "0b", "0c"].map { String(repeating: $0, count: 32) }

    private static func job(_ start: JobStart?) -> Job {
        Job(
            run: "m-2", model: "m", generation: 2, objective: .clm, architecture: Preset.tiny.architecture,
            recipe: RecipeName.default.recipe(for: .clm),
            corpora: digests.map { JobCorpus(sha256: $0, name: "a.txt", path: "/c/a", bytes: 12) },
            samples: .paragraphs,
            filters: [], tokenizer: nil, start: start, wordCountsDirectory: nil, runDirectory: "/r",
            outputDirectory: "/m/2")
    }

    private static let start = JobStart(
        generation: 1, directory: "/m/1", modelSha256: digests[2], corpora: [digests[1], digests[0]], warmStarts: 1)

    @Test func startIsOptionalAndRoundTrips() throws {
        let without = try JobCoding.encode(Self.job(nil))
        #expect(!String(decoding: without, as: UTF8.self).contains("\"start\""), "as in a job of an older version")
        #expect(try Job.decode(without).start == nil)
        #expect(try Job.decode(JobCoding.encode(Self.job(Self.start))) == Self.job(Self.start))
        #expect(Self.start.corpora == Array(Self.digests[..<2]))
    }

    private enum Flaw: String, CaseIterable {
        case generation, directory
        case modelSha256 = "model_sha256"
        case warmStarts = "warm_starts"
        case unknownCorpus = "corpora[1]"
        case nothingNew = "corpora"

        func change(_ start: inout JobStart) {
            switch self {
            case .generation: start.generation = 0
            case .directory: start.directory = ""
            case .modelSha256: start.modelSha256 = "0"
            case .warmStarts: start.warmStarts = 0
            case .unknownCorpus: start.corpora[1] = String(repeating: "f", count: 64)
            case .nothingNew: start.corpora = digests
            }
        }
    }

    @Test func refusesAnInvalidStartNamingTheKey() throws {
        for flaw in Flaw.allCases {
            var start = Self.start
            flaw.change(&start)
            let json = try JobCoding.encode(Self.job(start))
            let error = #expect(throws: JobError.self) { try Job.decode(json) }
            #expect(error?.key == "start.\(flaw.rawValue)")
        }
    }

    @Test func architectureIsContradictedOnlyBySetNumbersOfTheShape() {
        let trained = Preset.tiny.architecture
        #expect(Preset.auto.architecture.contradiction(to: trained)?.contains("max_position_embeddings is 514") == true)
        var wanted = Preset.auto.architecture
        wanted.maxPositionEmbeddings = trained.maxPositionEmbeddings
        (wanted.hiddenDropoutProb, wanted.initializerRange) = (0.3, 0.5)
        #expect(wanted.contradiction(to: trained) == nil)
        wanted.numHiddenLayers = 3
        #expect(wanted.contradiction(to: trained) == "num_hidden_layers is 3, but the generation has 2")
    }

    @Test func trainingArgumentsNameTheGenerationThatTrainingStartedFrom() throws {
        func facts(_ start: JobStart?) throws -> TrainingFacts {
            let arguments = TrainingArguments(
                job: Self.job(start), longestPosition: 9, steps: 1, trainingTokens: 2, tokenizerVocabulary: 300,
                heldOutByHash: true, layoutVersion: 2, evaluation: nil)
            return try JobCoding.decode(TrainingFacts.self, from: JobCoding.encode(arguments))
        }
        let warm = try facts(Self.start)
        #expect(warm.startedFrom == 1 && warm.warmStarts == 1 && warm.heldOutByHash == true && warm.layoutVersion == 2)
        #expect(warm.corpora.map(\.sha256) == Self.digests && warm.objective == .clm && warm.samples == .paragraphs)
        #expect(try facts(nil).startedFrom == nil)
    }

    @Test func factsOfAnOlderVersionAreRead() throws {
        let json = #"{"run":"m-1","filters":[],"longest_position":9}"#
        let facts = try JobCoding.decode(TrainingFacts.self, from: Data(json.utf8))
        #expect(facts.corpora.isEmpty && facts.startedFrom == nil && facts.heldOutByHash == nil)
    }
}
