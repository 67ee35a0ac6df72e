import ArgumentParser
import Dispatch
import FoundationEssentials

/// `kb-bench infer`: how fast the service answers, through its socket; the fields of `hf_infer_bench.py`.
struct InferCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "infer",
        abstract: "Measure fill-mask latency and generation speed through a temporary socket.",
        discussion: "DIR is a model directory as kantaibert-train or transformers write it.")

    @Option(help: ArgumentHelp("A masked model.", valueName: "DIR")) var mlm: String?
    @Option(help: ArgumentHelp("A causal model.", valueName: "DIR")) var clm: String?

    func validate() throws {
        guard mlm != nil || clm != nil else { throw ValidationError("name a model with --mlm, --clm or both") }
    }

    func run() async throws {
        let (mlm, clm) = (mlm, clm)
        try await InferServer.with(mlm: mlm, clm: clm) { socket in
            if mlm != nil { print(try jsonLine(try await blocking { try FillMaskTiming.measure(socket: socket) })) }
            guard clm != nil else { return }
            for streams in [1, 8] {
                print(try jsonLine(try await blocking { try GenerateTiming.measure(socket: socket, streams: streams) }))
            }
        }
    }
}

/// Runs what waits for a socket on a thread of its own, away from those that answer it.
private func blocking<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
        DispatchQueue(label: "bench").async { continuation.resume(with: Result(catching: body)) }
    }
}
