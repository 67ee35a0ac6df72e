import FoundationEssentials
import Glibc
import Jobs
import Models
import Testing
import Training

private func book() throws -> RobertaConfiguration {
    try RobertaConfiguration(Preset.kantaibert.architecture, rows: 52_000, objective: .mlm)
}

@Test func flopsMatchFormula() throws {
    // Layers: 6 · 42.5 million weights · 950 tokens; head: 6 · 768 · (52,000 + 768) · 142 rows.
    let flops = StepCost(configuration: try book()).flops(tokens: 950, scoredRows: 142, squaredTokens: 0)
    let layers: Double = 6 * 6 * (4 * 768 * 768 + 2 * 768 * 3072) * 950
    let head: Double = 6 * 142 * 768 * (52_000 + 768)
    #expect(flops == layers + head)
}

@Test func microbatchShrinksToFitMemory() throws {
    var recipe = RecipeName.seed.recipe(for: .mlm)
    recipe.blockSize = 128
    let wide = MicrobatchPlan(configuration: try book(), recipe: recipe, longestRow: 128)
    let limit = wide.bytes * 3 / 4
    let narrow = MicrobatchPlan(configuration: try book(), recipe: recipe, longestRow: 128, limit: limit)
    #expect(narrow.bytes <= limit && narrow.maximumTokens < wide.maximumTokens)
    let tiny = MicrobatchPlan(configuration: try book(), recipe: recipe, longestRow: 128, limit: 1)
    #expect(tiny.maximumTokens == 128)
}

@Test(arguments: OptimizerName.allCases)
func reportsPreflightBeforeFirstStep(optimizer: OptimizerName) throws {
    let run = try TrainingRun(.mlm)
    run.job.recipe.optimizer = optimizer
    try run.run()
    let place = run.events.firstIndex { if case .preflight = $0 { true } else { false } }
    let firstStep = run.events.firstIndex { if case .step = $0 { true } else { false } }
    guard let place, let firstStep, case .preflight(let preflight) = run.events[place] else {
        Issue.record("no preflight in \(run.events)")
        return
    }
    #expect(place < firstStep)
    #expect(preflight.parameters > 30_000 && preflight.flopsPerStep > 1e6 && preflight.productRate > 1e7)
    #expect(preflight.seconds > 0 && preflight.peakBytes > 1_000_000)
    #expect(preflight.peakBytes < preflight.memoryLimitBytes)
    #expect(run.steps.allSatisfy { ($0.mfu ?? 0) > 0 })
}

@Test func resumedRunReusesDecisions() throws {
    let run = try TrainingRun(.mlm)
    run.job.recipe.precision = .float32
    try run.run { event, control in
        if case .step(let step) = event, step.step == 3 { control.leave() }
    }
    let path = URL(filePath: "\(run.job.runDirectory)/decisions.json")
    let text = try String(contentsOf: path, encoding: .utf8)
    let before = try #require(decisions(text))
    #expect(before["maximum_tokens"] ?? 0 > 0 && before["product_rate"] ?? 0 > 0 && before["seconds_per_step"] ?? 0 > 0)
    // As if the decisions were made on a slower machine.
    let rate = try #require(before["product_rate"])
    try Data(text.replacing("\(rate)", with: "123456789").utf8).write(to: path)
    try run.run()
    guard case .preflight(let preflight) = run.events.first(where: { if case .preflight = $0 { true } else { false } })
    else {
        Issue.record("no preflight")
        return
    }
    #expect(preflight.productRate == 123_456_789)
}

/// Returns the memory limit for a simulated `/proc` and `/sys`.
private func memoryLimit(
    group: String, limits: [String: String], available: Int, others: [String: String] = [:]
) throws -> MemoryLimit {
    let root = FileManager.default.temporaryDirectory.appending(path: "limits-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: root) }
    var files = [
        "proc/meminfo": "MemTotal:  99999999 kB\nMemFree: 1 kB\nMemAvailable:  \(available) kB\n",
        "proc/self/statm": "9000 256 80 7 0 300 0\n",
        "proc/self/cgroup": "0::\(group)\n",
    ]
    for (path, limit) in limits { files["sys/fs/cgroup\(path)/memory.max"] = limit }
    for (path, text) in others { files["sys/fs/cgroup\(path)"] = text }
    for (path, text) in files {
        let url = root.appending(path: path)
        try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: url)
    }
    return MemoryLimit.current(root: root.path)
}

@Test func usesLowestMemoryLimit() throws {
    let group = "/system.slice/kantaibertd.service"
    let free = try memoryLimit(group: group, limits: [group: "max\n"], available: 1_000)
    // Available memory plus the 256 pages that the process already uses.
    #expect(free.bytes == 1_000 * 1_024 + 256 * sysconf(Int32(_SC_PAGESIZE)) && free.source == "free memory")
    let own = try memoryLimit(group: group, limits: [group: "500000\n", "/system.slice": "900000\n"], available: 1_000)
    #expect(own.bytes == 500_000 && own.source == "/sys/fs/cgroup\(group)/memory.max")
    let above = try memoryLimit(group: group, limits: [group: "max\n", "/system.slice": "400000\n"], available: 1_000)
    #expect(above.bytes == 400_000 && above.source == "/sys/fs/cgroup/system.slice/memory.max")
}

/// A run shares the service's control group and therefore its limits.
@Test func subtractsServiceMemoryAndHonorsMemoryHigh() throws {
    let group = "/system.slice/kantaibertd.service"
    let own = 256 * sysconf(Int32(_SC_PAGESIZE))
    let limit = try memoryLimit(
        group: group, limits: [group: "900000000\n"], available: 10_000_000,
        others: [
            "\(group)/memory.high": "850000000\n", "\(group)/memory.stat": "anon \(own + 50_000_000)\nfile 700000000\n",
        ])
    #expect(limit.bytes == 800_000_000 && limit.source == "/sys/fs/cgroup\(group)/memory.high")
    let none = try memoryLimit(
        group: group, limits: [group: "10000000\n"], available: 10_000_000,
        others: ["\(group)/memory.stat": "anon 99999999999\n"])
    #expect(none.bytes == 0)
}

@Test func checkpointsAreFrequentButTakeAtMostTwoPercent() {
    for cost in [0.001, 0.5, 3, 40] {
        var cadence = CheckpointInterval(now: 0)
        var (now, writing, last, count) = (0.0, 0.0, 0.0, 0)
        while now < 36_000 {
            now += 0.5
            guard cadence.isDue(now: now) else { continue }
            #expect(now - last <= 600.5)
            last = now
            cadence.wrote(at: now, seconds: cost)
            now += cost
            (writing, count) = (writing + cost, count + 1)
        }
        #expect(count >= 59)
        // If a checkpoint takes longer than 2 % of ten minutes, one is still written every ten minutes.
        if cost < 12 { #expect(writing <= 0.02 * now, "\(cost) s each, \(count) times") }
    }
}

private func decisions(_ text: String) -> [String: Double]? {
    guard let object = try? JSONDecoder().decode([String: Number].self, from: Data(text.utf8)) else { return nil }
    return object.compactMapValues(\.value)
}

/// A JSON number, or nil for any other value.
private struct Number: Decodable {
    var value: Double?
    init(from decoder: any Decoder) throws { value = try? decoder.singleValueContainer().decode(Double.self) }
}
