import ArgumentParser
import Interface
import Varlink

struct Bench: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Compare the speed of this machine with documented ones.",
        discussion: """
            Takes a few seconds. The service measures matrix products and memory; instructions were measured once for this \
            CPU, and precision: auto depends on them. Training is estimated from the products, for the book's model of 83.5 \
            million parameters. The speed of each serving model is that of calls over the socket. Anything else that runs \
            at the same time, such as training, lowers the figures. docs/performance.md describes the other machines.
            """)

    @OptionGroup var global: GlobalOptions

    private struct Report: Encodable {
        var machine: ManagerInterface.MeasureSpeed.Reply
        var models: [ModelSpeed]
    }

    func run() throws {
        let client = try global.connect()
        let machine = try client.call(ManagerInterface.MeasureSpeed.self, .init())
        let status = try client.call(ManagerInterface.GetStatus.self, .init())
        let models = try status.models.filter { $0.generation != nil }.map { try ModelSpeed($0, client) }
        if global.json { return try Terminal.json(Report(machine: machine, models: models)) }
        Terminal.paragraph("\(machine.processor), \(machine.threads) threads")
        Terminal.line("")
        var table = Table(
            [("", .left), ("THIS MACHINE", .right)] + DocumentedMachine.all.map { ($0.name, .right) }, names: [])
        for measure in DocumentedMachine.Measure.allCases {
            table.add(
                [measure.rawValue, value(of: measure, machine)]
                    + DocumentedMachine.all.map { $0.figures[measure] ?? "–" })
        }
        table.print()
        if !models.isEmpty { Terminal.line("") }
        for model in models { Terminal.paragraph(model.text) }
        if let run = status.run {
            Terminal.line("")
            Terminal.paragraph("\(run.id) is being trained meanwhile: without it, the machine is faster")
        }
    }

    private func value(of measure: DocumentedMachine.Measure, _ machine: ManagerInterface.MeasureSpeed.Reply) -> String
    {
        func giga(_ rate: Double?) -> String { rate.map { Format.number($0 / 1e9, 0) } ?? "–" }
        func tokens(_ rate: Double?, _ share: Double) -> String {
            rate.map { "≈ \(Format.count(Int($0 * share / DocumentedMachine.operationsPerToken)))" } ?? "–"
        }
        switch measure {
        case .float32Products: return giga(machine.float32Operations)
        case .bfloat16Products: return giga(machine.bfloat16Operations)
        case .memory: return giga(machine.memoryRead)
        case .float32Instructions: return giga(machine.float32Instructions)
        case .bfloat16Instructions: return giga(machine.bfloat16Instructions)
        case .int8Instructions: return giga(machine.int8Instructions)
        // The shares of a step's time that are products, on the documented machines.
        case .float32Training: return tokens(machine.float32Operations, 0.83)
        case .bfloat16Training: return tokens(machine.bfloat16Operations, 0.75)
        }
    }
}

/// A machine with two cores whose figures docs/performance.md has.
private struct DocumentedMachine {
    enum Measure: String, CaseIterable {
        case float32Products = "float32 products, GFLOP/s"
        case bfloat16Products = "bfloat16 products, GFLOP/s"
        case memory = "memory read, GB/s"
        case float32Instructions = "one core: float32, GFLOP/s"
        case bfloat16Instructions = "one core: bfloat16, GFLOP/s"
        case int8Instructions = "one core: int8, GOP/s"
        case float32Training = "training in float32, tokens/s"
        case bfloat16Training = "training in bfloat16, tokens/s"
    }

    let name: String
    let figures: [Measure: String]

    /// Of a training step of the book's model for masks: 274 GFLOP for 950 tokens.
    static let operationsPerToken = 274e9 / 950

    static let all = [
        DocumentedMachine(
            name: "ZEN 5",
            figures: [
                .float32Products: "437–451", .bfloat16Products: "549–868", .memory: "48–54", .float32Training: "1,291",
                .bfloat16Training: "2,223",
            ]),
        DocumentedMachine(
            name: "EMERALD RAPIDS",
            figures: [
                .float32Products: "275", .bfloat16Products: "159", .float32Instructions: "175",
                .bfloat16Instructions: "86", .int8Instructions: "737", .float32Training: "795",
                .bfloat16Training: "490",
            ]),
        DocumentedMachine(
            name: "ZEN 4",
            figures: [.float32Instructions: "118", .bfloat16Instructions: "236", .int8Instructions: "471"]),
    ]
}

/// How fast a serving model answers.
private struct ModelSpeed: Encodable {
    let model: String
    let generation: Int
    let parameters: Int?
    let precision: String?
    /// Median time of a call that fills a mask.
    var fillMaskMs: Double?
    /// Of one stream.
    var tokensPerSecond: Double?

    /// How long each model is measured.
    private static let duration = Duration.seconds(2)

    init(_ model: ManagerInterface.Model, _ client: VarlinkClient) throws {
        self.model = model.name
        generation = model.generation ?? 0
        parameters = model.parameters
        precision = try client.call(ManagerInterface.ListGenerations.self, .init(model: model.name, limit: 100))
            .generations.first { $0.number == model.generation }?.precision
        let began = ContinuousClock.now
        var results: [Double] = []
        while results.count < 3 || began.duration(to: .now) < Self.duration, results.count < 200 {
            let start = ContinuousClock.now
            switch model.objective {
            case .mlm:
                _ = try client.call(
                    InferenceInterface.FillMask.self,
                    .init(text: "Human thinking involves human <mask>.", model: model.name))
                results.append(start.duration(to: .now) / .milliseconds(1))
            case .clm:
                let reply = try client.call(
                    InferenceInterface.Generate.self,
                    .init(prompt: "I", model: model.name, sampling: .init(maxNewTokens: 64, temperature: 1, seed: 1)))
                let count = Double(reply.generatedTokens ?? 0)
                results.append(count / max(1e-6, start.duration(to: .now) / .seconds(1)))
            }
        }
        let median = results.sorted()[results.count / 2]
        switch model.objective {
        case .mlm: fillMaskMs = median
        case .clm: tokensPerSecond = median
        }
    }

    var text: String {
        let size = parameters.map { ", \(Format.count($0)) parameters" } ?? ""
        let weights = precision.map { ", weights in \($0)" } ?? ""
        let speed =
            fillMaskMs.map { "a mask in \(Format.number($0, 1)) ms" }
            ?? "\(Format.number(tokensPerSecond, 0)) tokens per second in one stream"
        return "\(model) \(generation)\(size)\(weights): \(speed)"
    }
}
