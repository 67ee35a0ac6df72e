import ArgumentParser
import AsyncSupport
import Daemon
import Dispatch
import FoundationEssentials
import Interface
import Settings
import Varlink

/// `kb-bench infer`: measures inference through the service's socket, with the output fields of `hf_infer_bench.py`.
struct InferCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "infer",
        abstract: "Measure fill-mask latency and generation speed through a temporary socket.",
        discussion: """
            DIR is a model directory written by kantaibert-train or transformers. If none is given, two models of \
            preset kantaibert with random weights and a vocabulary of 52,000 are created; --keep keeps them.
            """)

    @Option(help: ArgumentHelp("A masked language model.", valueName: "DIR")) var mlm: String?
    @Option(help: ArgumentHelp("A causal language model.", valueName: "DIR")) var clm: String?
    @Option(help: "Precision of the weights: auto, float32, bfloat16 or int8.")
    var precision: ServingPrecision = .auto
    @Option(help: ArgumentHelp("Folder in which models with random weights are kept and reused.", valueName: "DIR"))
    var keep: String?

    @Option(help: ArgumentHelp("Only measure the bits per byte of this file's lines.", valueName: "FILE")) var text:
        String?
    @Option(help: "Maximum number of lines of --text.") var lines = 200

    @Option(help: ArgumentHelp("Only run a load test with 32 clients for this long.", valueName: "SECONDS")) var load:
        Double?

    @Option(
        help: ArgumentHelp(
            "Measure fill-mask and one generation stream of a running service, which may be training.",
            valueName: "PATH"))
    var socket: String?
    @Option(help: ArgumentHelp("Pause between two sentences.", valueName: "MILLISECONDS")) var pause = 0

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

    /// Measures the first serving model of each objective.
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

/// Memory use of this process, which contains both the server and the clients.
private struct MemoryReading: Encodable {
    var bench = "memory"
    var dtype: String
    /// Resident memory after loading the models, before the first request.
    var loadedRssMb: Int
    /// Resident memory after the last request, in total and split into mapped files and anonymous memory.
    var servedRssMb: Int
    var fileRssMb: Int
    var anonymousRssMb: Int
}

/// Returns a field of `/proc/self/status` in megabytes.
private func residentMegabytes(_ field: String = "VmRSS") -> Int {
    let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
    let line = status.split(separator: "\n").first { $0.hasPrefix("\(field):") }
    return (line?.split(whereSeparator: { !$0.isNumber }).first.flatMap { Int($0) } ?? 0) / 1_024
}

/// Runs blocking socket calls on a dedicated thread, so that they do not occupy the threads of the server.
private func blocking<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await DispatchQueue(label: "bench").run(body)
}
