import Jobs
import Kernels
import Testing

/// Runs separate processes, because the number of threads is fixed per process and memory contents differ between them.
@Suite(
    "Reproducibility", .serialized, .timeLimit(.minutes(30)),
    .enabled(if: Programs.areBuilt, "\(Programs.missing)"))
struct SameBytesTests {
    @Test("Any number of threads gives the same bytes in float32", arguments: Objective.allCases)
    func float32IsReproducible(objective: Objective) throws {
        try expectTheSameBytes(objective, .float32)
    }

    @Test(
        "Any number of threads gives the same bytes in bfloat16",
        .enabled(if: Precision.hasBFloat16, "needs a CPU with AVX512_BF16"),
        arguments: Objective.allCases)
    func bfloat16IsReproducible(objective: Objective) throws {
        try expectTheSameBytes(objective, .bfloat16)
    }

    private func expectTheSameBytes(_ objective: Objective, _ precision: PrecisionSetting) throws {
        let tiny = try TinyJob(objective) { job in
            job.recipe.precision = precision
            job.recipe.maxSteps = 6
            // Large enough for every kind of work to be split among threads.
            job.recipe.perDeviceTrainBatchSize = 48
            job.recipe.numTrainEpochs = 100
            job.architecture.hiddenSize = 128
            job.architecture.intermediateSize = 512
        }
        var first: String?
        for threads in [1, 2, 3, 2] {
            let ended = try tiny.run(threads: threads)
            try #require(ended.status == 0, "\(ended.error)")
            let events = try ended.runEvents()
            #expect(events.started?.threads == threads)
            #expect(events.started?.precision == precision.rawValue)
            let digest = try #require(try tiny.published()?["model.safetensors"])
            #expect(events.published?.modelSha256 == digest)
            #expect(digest == first ?? digest, "\(threads) threads")
            first = first ?? digest
            try tiny.startOver()
        }
    }
}
