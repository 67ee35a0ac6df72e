import ArgumentParser
import FoundationEssentials
import Models

/// `kb-bench logits`: what a directory that transformers wrote makes of some tokens, for `Tests/Parity/import_parity.py`.
struct LogitsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "logits", abstract: "Print the logits of each token of a sequence, as JSON.")

    @Argument(help: "A model directory, read as an import reads it.") var directory: String
    @Argument(help: "The ids of the tokens.") var ids: [Int32]
    @Option(help: ArgumentHelp("Write the model as we publish it; the folder must exist.", valueName: "dir"))
    var write: String?

    func run() throws {
        let model = try RobertaModel.importing(directory: directory)
        if let write { try ModelDirectory.write(model, to: write) }
        let logits = model.logits(inputIDs: ids, sequenceOffsets: [0, ids.count], rows: Array(ids.indices))
        print(String(decoding: try JSONEncoder().encode(Array(logits)), as: UTF8.self))
    }
}
