import Jobs
import Supervision
import Testing

struct ReadingLimitTests {
    private func job(_ maxTime: TimeLimit, corpora: Int, bytes: Int = 1) -> Job {
        var recipe = RecipeName.default.recipe(for: .mlm)
        recipe.maxTime = maxTime
        return Job(
            run: "a-1", model: "a", generation: 1, objective: .mlm, architecture: Preset.tiny.architecture,
            recipe: recipe,
            corpora: (0..<corpora).map { JobCorpus(sha256: "\($0)", name: "\($0).txt", path: "/\($0)", bytes: bytes) },
            samples: .lines, filters: [], tokenizer: nil, wordCountsDirectory: nil, runDirectory: "/run",
            outputDirectory: "/run/1")
    }

    @Test func isHalfOfTheRunsTimeIfOtherCorporaWait() throws {
        #expect(ReadingLimit(job(.seconds(3600), corpora: 2))?.seconds == 1800)
        #expect(ReadingLimit(job(.seconds(3600), corpora: 1)) == nil)
        #expect(ReadingLimit(job(.seconds(20), corpora: 2))?.seconds == 60)
        let bytes = 5_000_000
        #expect(
            ReadingLimit(job(.automatic, corpora: 2, bytes: bytes))?.seconds
                == AutomaticModel.seconds(textBytes: 2 * bytes) / 2)
        let unlimited = try #require(ReadingLimit(job(.none, corpora: 2)))
        #expect(unlimited.seconds == 12 * 3600 && !unlimited.isOfMaxTime)
        #expect(unlimited.names == ["0": "0.txt", "1": "1.txt"])
    }

    @Test func addsUpTheTimesOfACorpus() {
        let limit = ReadingLimit(seconds: 10, names: ["a": "a.txt", "b": "b.txt"])
        let start = ContinuousClock.now
        var times = ReadingTimes()
        func reads(_ corpus: String?, at seconds: Double) {
            times.note(.working(.init(activity: "counting words", corpus: corpus)), at: start + .seconds(seconds))
        }
        func overdue(at seconds: Double) -> String? { times.overdue(at: start + .seconds(seconds), limit: limit) }
        #expect(overdue(at: 100) == nil)
        reads("a", at: 0)
        reads("a", at: 5)
        #expect(overdue(at: 9) == nil && overdue(at: 11) == "a")
        reads("b", at: 6)
        #expect(overdue(at: 11) == nil)
        times.note(.checkpoint(.init(step: 1, path: "c")), at: start + .seconds(15))
        #expect(overdue(at: 1000) == nil, "no corpus is being read")
        reads("a", at: 20)
        #expect(overdue(at: 23) == nil && overdue(at: 25) == "a")
        reads("c", at: 30)
        #expect(overdue(at: 1000) == nil, "a corpus of another run")
    }
}
