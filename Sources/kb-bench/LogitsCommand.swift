import ArgumentParser
import FoundationEssentials
import Models

/// `kb-bench logits`: prints the logits of a transformers model directory, for `Tests/Parity/import_parity.py`.
struct LogitsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "logits", abstract: "Print the logits of each token of a sequence, as JSON.")

    @Argument(help: "A model directory, loaded as for an import.") var directory: String
    @Argument(help: "Token ids.") var ids: [Int32]
    @Option(help: ArgumentHelp("Write the model in the published format to an existing folder.", valueName: "dir"))
    var write: String?

    func run() throws {
        let model = try RobertaModel.importing(directory: directory)
        if let write { try ModelDirectory.write(model, to: write) }
        let logits = model.logits(inputIDs: ids, sequenceOffsets: [0, ids.count], rows: Array(ids.indices))
        print(String(decoding: try JSONEncoder().encode(Array(logits)), as: UTF8.self))
    }
}
