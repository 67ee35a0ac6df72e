import FoundationEssentials
import Jobs
import Models
import Testing
import Training

private func modelFailureReason(_ architecture: Architecture) -> String? {
    do throws(JobError) {
        _ = try RobertaConfiguration(architecture, rows: architecture.vocabSize ?? 512, objective: .mlm)
        return nil
    } catch {
        return error.found
    }
}

/// Every architecture that a job accepts must be valid for a model: the limits of both must agree.
@Test func jobLimitsImplyModelLimits() throws {
    func failureReason(_ change: (inout Architecture) -> Void) throws -> (job: JobError?, model: String?) {
        let run = try TrainingRun(.mlm)
        run.job.recipe.blockSize = 3
        change(&run.job.architecture)
        let model = modelFailureReason(run.job.architecture)
        do throws(JobError) {
            try run.job.validate()
            return (nil, model)
        } catch {
            return (error, model)
        }
    }
    for size in [1, 5, 64, 512, 513, 1 << 16, 1 << 16 + 1, 1 << 20, 1 << 20 + 1, 1 << 24, Int.max] {
        let changes: [(inout Architecture) -> Void] = [
            { $0.intermediateSize = size }, { $0.numHiddenLayers = size }, { $0.maxPositionEmbeddings = size },
            { $0.vocabSize = size }, { $0.hiddenSize = size },
        ]
        for (index, change) in changes.enumerated() {
            let found = try failureReason(change)
            // The tokenizer of a job is larger than the smallest one, and the total number of parameters is only
            // checked once the tokenizer, and with it the size of the embedding, is known.
            let isTooMany = found.model?.contains("parameters") == true
            #expect(found.job != nil || found.model == nil || isTooMany, "size \(size), change \(index): \(found)")
        }
    }
    for number in [-1, 0, 1e-300, 0.5, 1, 1.5, 100, 101, 1e300, .infinity, .nan] as [Double] {
        let changes: [(inout Architecture) -> Void] = [
            { $0.layerNormEps = number }, { $0.initializerRange = number }, { $0.hiddenDropoutProb = number },
            { $0.attentionProbsDropoutProb = number },
        ]
        for (index, change) in changes.enumerated() {
            let found = try failureReason(change)
            #expect(found.job != nil || found.model == nil, "\(number), change \(index): \(found)")
        }
    }
}

/// Random damage to a file of the run's folder must either have no effect or produce a typed error.
@Test(arguments: [
    "checkpoint-13/checkpoint.json", "checkpoint-13/state.safetensors", "decisions.json", "shards/training.tokens",
    "tokenizer/tokenizer.json",
])
private func damagedRunFilesDoNotTrap(file: String) throws {
    let run = try TrainingRun(.mlm, lines: 120)
    run.job.recipe.saveSteps = 1000
    try run.run { event, control in
        if case .step(let step) = event, step.step == 13 { control.leave() }
    }
    let folder = run.job.runDirectory
    let kept = folder + ".kept"
    try FileManager.default.copyItem(atPath: folder, toPath: kept)
    defer { try? FileManager.default.removeItem(atPath: kept) }
    let whole = [UInt8](try Data(contentsOf: URL(filePath: "\(kept)/\(file)")))
    let numbers = ["-1", "9223372036854775807", "18446744073709551616", "1e308", "null", "0.5"]
    var state: UInt64 = 16
    func next(_ bound: Int) -> Int {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int(state >> 33) % bound
    }
    for round in 0..<16 {
        var bytes = whole
        switch next(3) {
        case 0: bytes.removeLast(next(bytes.count))
        case 1: for _ in 0...next(3) { bytes[next(bytes.count)] ^= 1 << UInt8(next(8)) }
        default:
            let digits = bytes.indices.filter { (0x30...0x39).contains(bytes[$0]) }
            guard !digits.isEmpty else { continue }
            let start = digits[next(digits.count)]
            let end = bytes[start...].firstIndex { !(0x30...0x39).contains($0) } ?? bytes.count
            bytes.replaceSubrange(start..<end, with: Array(numbers[next(numbers.count)].utf8))
        }
        try FileManager.default.removeItem(atPath: folder)
        try FileManager.default.copyItem(atPath: kept, toPath: folder)
        try Data(bytes).write(to: URL(filePath: "\(folder)/\(file)"))
        do throws(TrainingError) {
            try run.run { event, control in
                if case .started = event { control.leave() }
            }
        } catch {
            // Errors of this project have a specific case.
            if case .other(let unknown) = error { Issue.record("round \(round): \(unknown)") }
        }
    }
}

/// Invalid values in `decisions.json`, which determine memory allocation.
@Test(arguments: [
    ("maximum_tokens", "-1"), ("maximum_tokens", "0"), ("maximum_tokens", "9223372036854775807"),
    ("product_rate", "-1e300"), ("seconds_per_step", "1e300"),
])
private func rejectsInvalidDecisions(key: String, value: String) throws {
    let run = try TrainingRun(.mlm, lines: 120)
    run.job.recipe.saveSteps = 1000
    try run.run { event, control in
        if case .step(let step) = event, step.step == 2 { control.leave() }
    }
    let url = URL(filePath: run.job.runDirectory + "/decisions.json")
    let text = String(decoding: try Data(contentsOf: url), as: UTF8.self)
    let lines = text.split(separator: "\n").map { line in
        line.contains("\"\(key)\"") ? "  \"\(key)\" : \(value)" + (line.hasSuffix(",") ? "," : "") : String(line)
    }
    let changed = lines.joined(separator: "\n")
    try #require(changed != text && changed.contains(value))
    try Data(changed.utf8).write(to: url)
    let error = #expect(throws: TrainingError.self) { try run.run() }
    #expect("\(String(describing: error))".contains("decisions.json"), "\(String(describing: error))")
}
