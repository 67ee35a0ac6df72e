import ArgumentParser

/// Measures what the project's issues make claims about; each command prints one JSON object a line.
@main
struct KBBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kb-bench", abstract: "Measure and compare: tokenizer, model, training, serving.",
        subcommands: [
            ParityCommand.self, LogitsCommand.self, TokenizerCommand.self, TrainCommand.self, InferCommand.self,
            SoakCommand.self, HostileCommand.self, HostileClientsCommand.self,
        ])
}
