import ArgumentParser
import FoundationEssentials
import Glibc
import Interface
import Varlink

struct Export: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Copy the generation that serves, with a model card.",
        discussion: """
            The copy is a Hugging Face model directory; its README.md says what the model was trained on, how, and how to \
            load it. --check asks the service and transformers (of python3, or of $KANTAIBERT_PYTHON) about the same text, \
            and compares what they make likely.
            """)

    @Argument(help: ArgumentHelp("The model.", valueName: "model")) var name: String
    @Argument(
        help: ArgumentHelp("Where the copy is to be; must not exist yet.", valueName: "dir"), completion: .directory)
    var directory: String
    @Flag(help: "Compare with transformers, where it is installed.") var check = false

    @OptionGroup var global: GlobalOptions

    func run() throws {
        let client = try global.connect()
        let models = try client.call(ManagerInterface.ListModels.self, .init()).models
        let description = try client.call(ManagerInterface.Describe.self, .init(model: name))
        guard let source = description.directory, let model = models.first(where: { $0.name == name }) else {
            throw Failure(
                "the service does not say where the model lies: it is older than this kbctl", status: EX_PROTOCOL)
        }
        let generations = try client.all(ManagerInterface.ListGenerations.self, .init(model: name), \.generations)
        guard access(directory, F_OK) != 0 else {
            throw Failure("\(directory) exists already; name a place where nothing is", status: EX_CANTCREAT)
        }
        // Under a name aside until all of it is there.
        let aside = "\(directory).part-\(getpid())"
        var isWhole = false
        defer { if !isWhole { try? FileManager.default.removeItem(atPath: aside) } }
        let card = ModelCard(
            model: model, description: description,
            generation: generations.first { $0.number == description.generation })
        do {
            try FileManager.default.createDirectory(atPath: aside, withIntermediateDirectories: true)
            for file in try FileManager.default.contentsOfDirectory(atPath: source) where !file.hasPrefix(".") {
                try FileManager.default.copyItem(atPath: "\(source)/\(file)", toPath: "\(aside)/\(file)")
            }
            try Data(card.text.utf8).write(to: URL(filePath: "\(aside)/README.md"))
            try FileManager.default.moveItem(atPath: aside, toPath: directory)
        } catch {
            throw Failure(
                "\(source) cannot be copied to \(directory): \(error); who is in the group kantaibert may read it",
                status: EX_CANTCREAT)
        }
        isWhole = true
        if global.json {
            try Terminal.json(["directory": directory])
        } else {
            Terminal.paragraph("\(directory): \(name) \(description.generation.map { "\($0)" } ?? "")")
        }
        if check { try TransformersCheck(client: client, model: model, directory: directory).run(quietly: global.json) }
    }
}
