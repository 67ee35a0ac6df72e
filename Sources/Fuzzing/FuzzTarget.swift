/// A parser of untrusted data, to be run with malformed input.
///
/// Invalid input must cause an error. A trap, a hang, or a violated invariant is a finding. Targets check invariants
/// that hold for any input with `expect`.
public struct FuzzTarget: Sendable {
    public let name: String
    /// Valid inputs to start from.
    public let seeds: [[UInt8]]
    /// Runs the target with one input.
    public let run: @Sendable ([UInt8]) -> Void

    public init(name: String, seeds: [[UInt8]], run: @escaping @Sendable ([UInt8]) -> Void) {
        self.name = name
        self.seeds = seeds
        self.run = run
    }

    public static let all: [FuzzTarget] = {
        let files: [FuzzTarget] = [
            .framer, .json, .tokenizer, .configuration, .safetensors, .shardIndex, .settings, .trainingArguments,
            .model,
            .tokenShard, .searchIndex, .searchIndexFile, .searchQuery,
        ]
        let texts: [FuzzTarget] = [.encoding, .csv, .threads, .jsonLines, .jsonRecords]
        return [files, calls, texts, archives, markupAndDocuments, [.folderConfiguration], http].flatMap { $0 }
    }()

    public static func named(_ name: String) -> FuzzTarget? { all.first { $0.name == name } }
}

/// Checks an invariant, also in release builds, because otherwise a target would only find traps.
func expect(_ condition: Bool, _ what: @autoclosure () -> String) {
    if !condition { fatalError("violated invariant: \(what())") }
}
