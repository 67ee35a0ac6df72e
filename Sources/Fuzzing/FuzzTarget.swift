/// Something that reads what others wrote, to be tried with bytes that nobody would write.
///
/// Bad input must end in an error. A trap, a hang, or a broken promise of the reader is a finding: targets check what holds
/// for any input, with `expect`.
public struct FuzzTarget: Sendable {
    public let name: String
    /// Good inputs to begin with.
    public let seeds: [[UInt8]]
    /// Tries one input.
    public let run: @Sendable ([UInt8]) -> Void

    public init(name: String, seeds: [[UInt8]], run: @escaping @Sendable ([UInt8]) -> Void) {
        self.name = name
        self.seeds = seeds
        self.run = run
    }

    public static let all: [FuzzTarget] =
        [.framer, .json, .tokenizer, .configuration, .safetensors, .settings, .trainingArguments, .model, .tokenShard]
        + calls + [.csv, .jsonLines] + archives + [.folderConfiguration] + http

    public static func named(_ name: String) -> FuzzTarget? { all.first { $0.name == name } }
}

/// Also checked where assertions are not: a target that does not check finds only what traps by itself.
func expect(_ condition: Bool, _ what: @autoclosure () -> String) {
    if !condition { fatalError("a promise is broken: \(what())") }
}
