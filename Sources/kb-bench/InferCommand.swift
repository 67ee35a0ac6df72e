import ArgumentParser
import Daemon
import Dispatch
import FoundationEssentials
import Interface
import Varlink

/// `kb-bench infer`: how fast the service answers, through its socket; the fields of `hf_infer_bench.py`.
struct InferCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "infer",
        abstract: "Measure fill-mask latency and generation speed through a temporary socket.",
        discussion: """
            DIR is a model directory as kantaibert-train or transformers write it. Without one, two models of preset \
            kantaibert with random weights and 52,000 tokens are made, and kept with --keep.
            """)

    @Option(help: ArgumentHelp("A masked model.", valueName: "DIR")) var mlm: String?
    @Option(help: ArgumentHelp("A causal model.", valueName: "DIR")) var clm: String?
    @Option(help: "What the weights are kept in: auto, float32, bfloat16 or int8.")
    var precision: ServingPrecision = .auto
    @Option(help: ArgumentHelp("Where models with random weights are made, and found the next time.", valueName: "DIR"))
    var keep: String?

    @Option(help: ArgumentHelp("Measure bits a byte of its lines, and nothing else.", valueName: "FILE")) var text:
        String?
    @Option(help: "Lines of --text at most.") var lines = 200

    @Option(help: ArgumentHelp("Let 32 clients ask for so long, and nothing else.", valueName: "SECONDS")) var load:
        Double?

    @Option(
        help: ArgumentHelp(
            "Measure fill-mask and one stream of the service that listens there, which may be training.",
            valueName: "PATH"))
    var socket: String?
    @Option(help: ArgumentHelp("Wait so long between two sentences.", valueName: "MILLISECONDS")) var pause = 0

    func run() async throws {
        if let socket {
            let pause = pause
            return try await blocking { try Self.measureService(socket, pauseMilliseconds: pause) }
        }
        var (mlm, clm) = (mlm, clm)
        let folder =
            keep ?? FileManager.default.temporaryDirectory.path
            + "/kb-bench-models-\(ProcessInfo.processInfo.processIdentifier)"
        defer { if keep == nil { try? FileManager.default.removeItem(atPath: folder) } }
        if mlm == nil && clm == nil {
            let random = try await blocking { try RandomModels(folder: folder) }
            (mlm, clm) = (random.mlm, random.clm)
        }
        let (measuresMasks, measuresText, dtype) = (mlm != nil, clm != nil, precision.rawValue)
        let (text, lines, load, pause) = (text, lines, load, pause)
        try await InferServer.with(mlm: mlm, clm: clm, precision: precision) { socket in
            if let text {
                for (model, isThere) in [("mlm", measuresMasks), ("clm", measuresText)] where isThere {
                    let quality = try await blocking {
                        try ScoreTiming.measure(socket: socket, model: model, file: text, lines: lines, dtype: dtype)
                    }
                    print(try jsonLine(quality))
                }
                return
            }
            if let load {
                let result = try await blocking { try LoadTest.measure(socket: socket, seconds: load, dtype: dtype) }
                print(try jsonLine(result))
                return
            }
            let loaded = residentMegabytes()
            if measuresMasks {
                for clients in [1, 8] {
                    let timing = try await blocking {
                        try FillMaskTiming.measure(
                            socket: socket, model: "mlm", clients: clients, pauseMilliseconds: pause, dtype: dtype)
                    }
                    print(try jsonLine(timing))
                }
            }
            if measuresText {
                for (streams, tokens) in [(1, 100), (8, 100), (8, 4)] {
                    let timing = try await blocking {
                        try GenerateTiming.measure(
                            socket: socket, model: "clm", streams: streams, answerTokens: tokens, dtype: dtype)
                    }
                    print(try jsonLine(timing))
                }
            }
            let (files, anonymous) = (residentMegabytes("RssFile"), residentMegabytes("RssAnon"))
            print(
                try jsonLine(
                    MemoryReading(
                        dtype: dtype, loadedRssMb: loaded, servedRssMb: residentMegabytes(), fileRssMb: files,
                        anonymousRssMb: anonymous)))
        }
    }

    /// The first model of each objective that serves.
    private static func measureService(_ socket: String, pauseMilliseconds: Int) throws {
        let models = try VarlinkClient(path: socket).call(ManagerInterface.ListModels.self, .init()).models
        func first(_ objective: ManagerInterface.Model.Objective) -> String? {
            models.first { $0.objective == objective && $0.generation != nil }?.name
        }
        if let model = first(.mlm) {
            print(
                try jsonLine(
                    try FillMaskTiming.measure(
                        socket: socket, model: model, pauseMilliseconds: pauseMilliseconds, dtype: "as served")))
        }
        if let model = first(.clm) {
            print(
                try jsonLine(try GenerateTiming.measure(socket: socket, model: model, streams: 1, dtype: "as served")))
        }
    }
}

extension ServingPrecision: ExpressibleByArgument {}

/// What the process holds that both serves and asks.
private struct MemoryReading: Encodable {
    var bench = "memory"
    var dtype: String
    /// With the models open, before the first request.
    var loadedRssMb: Int
    /// After the last; of these, mapped files and the rest.
    var servedRssMb: Int
    var fileRssMb: Int
    var anonymousRssMb: Int
}

/// A figure of `/proc/self/status`, in megabytes.
private func residentMegabytes(_ field: String = "VmRSS") -> Int {
    let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
    let line = status.split(separator: "\n").first { $0.hasPrefix("\(field):") }
    return (line?.split(whereSeparator: { !$0.isNumber }).first.flatMap { Int($0) } ?? 0) / 1_024
}

/// Runs what waits for a socket on a thread of its own, away from those that answer it.
private func blocking<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
        DispatchQueue(label: "bench").async { continuation.resume(with: Result(catching: body)) }
    }
}
