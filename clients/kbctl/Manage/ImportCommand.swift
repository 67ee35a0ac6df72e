import ArgumentParser
import FoundationEssentials
import Glibc
import Interface
import Varlink

struct Import: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Import a RoBERTa model as a new generation.",
        discussion: """
            For administrators. The directory is the output of transformers' save_pretrained: RobertaForMaskedLM for a \
            model of kind mlm, RobertaForCausalLM for kind clm, with model.safetensors (or its shards and their index) in \
            float32, float16, bfloat16 or float64, config.json and a byte-level BPE tokenizer. It is read with your permissions and not modified: \
            kbctl opens the files and passes them to the service, which copies them.
            """)

    @Argument(help: ArgumentHelp("The model directory.", valueName: "dir"), completion: .directory) var directory:
        String
    @Option(
        name: .shortAndLong, help: ArgumentHelp("The model to import it into.", valueName: "name"), completion: .models)
    var model: String

    @OptionGroup var global: GlobalOptions

    func run() throws {
        let client = try global.connect()
        let status = try client.call(ManagerInterface.GetStatus.self, .init())
        guard let target = status.models.first(where: { $0.name == model }) else {
            throw ManagerInterface.ModelNotFound(model: model, available: status.models.map(\.name))
        }
        let files = try fileNames(isCausal: target.objective == .clm).compactMap { name in
            try open(name).map { NamedFile(name: name, file: $0) }
        }
        guard files.contains(where: { $0.name == "config.json" }) else {
            throw Failure(
                "\(directory) is not a readable model directory: it has no config.json", status: EX_NOINPUT)
        }
        let reply: ManagerInterface.Import.Reply
        do {
            reply = try client.importModel(model, files: files)
        } catch let error as ManagerInterface.ImportRefused {
            throw Failure("\(directory) cannot be imported: \(error.reason)", status: EX_DATAERR)
        }
        if global.json { return try Terminal.json(reply) }
        let generation = reply.generation ?? 0
        Terminal.paragraph(
            "\(model) \(generation): \(Format.count(reply.parameters ?? 0)) parameters, SHA-256 "
                + "\(reply.modelSha256 ?? "")")
        for difference in reply.differences ?? [] { Terminal.paragraph(difference) }
        let generations = try client.call(ManagerInterface.ListGenerations.self, .init(model: model)).generations
        if generations.contains(where: { $0.number == generation && $0.state == .candidate }) {
            Terminal.paragraph(
                "It will be evaluated and promoted unless it is worse than the serving generation; see "
                    + "‘kbctl generations \(model)’.")
        }
    }

    /// The files to pass to the service, as far as they exist: like transformers, the weights as a whole if there are both.
    private func fileNames(isCausal: Bool) throws -> [String] {
        typealias Import = ManagerInterface.Import
        let present = ((try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []).sorted()
        if present.contains("model.safetensors") { return Import.fileNames.filter { $0 != Import.indexFile } }
        let shards = present.filter(Import.isShard)
        guard shards.count <= Import.shardLimit else {
            throw Failure(
                "\(directory) has \(shards.count) shards; at most \(Import.shardLimit) can be imported",
                status: EX_DATAERR)
        }
        if shards.isEmpty, let pickle = present.first(where: Import.isPickle) {
            throw Failure(
                "\(directory) cannot be imported: "
                    + Import.conversionAdvice(for: pickle, in: directory, isCausal: isCausal), status: EX_DATAERR)
        }
        return Import.fileNames + shards
    }

    /// Opens a file of the directory for the service. Follows symbolic links: a Hugging Face cache consists of them.
    /// - Returns: nil if the file does not exist
    private func open(_ name: String) throws -> OpenDescriptor? {
        let path = "\(directory)/\(name)"
        // O_NONBLOCK: opening a FIFO without a writer would block forever.
        let number = Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
        guard number >= 0 else {
            if errno == ENOENT || errno == ENOTDIR { return nil }
            throw Failure("\(path) cannot be read: \(String(cString: strerror(errno)))", status: EX_NOINPUT)
        }
        let file = OpenDescriptor(number)
        var status = stat()
        guard fstat(number, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw Failure("\(path) is not a regular file", status: EX_DATAERR)
        }
        return file
    }
}
