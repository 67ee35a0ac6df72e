import ArgumentParser
import Formatting

/// Benchmarks and comparisons with reference implementations. Each command prints one JSON object per line.
@main
struct KBBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kb-bench", abstract: "Benchmark and verify tokenizers, models, training and serving.",
        version: Release.version,
        subcommands: [
            ParityCommand.self, LogitsCommand.self, ONNXCommand.self, TokenizerCommand.self, TrainCommand.self,
            InferCommand.self, InboxCommand.self, SoakCommand.self, HostileCommand.self, HostileClientsCommand.self,
            SearchCommand.self,
        ])
}
