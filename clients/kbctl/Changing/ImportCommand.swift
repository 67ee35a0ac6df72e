import ArgumentParser
import FoundationEssentials
import Glibc
import Interface
import Varlink

struct Import: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make a RoBERTa model that was trained elsewhere a generation.",
        discussion: """
            The directory is one that transformers' save_pretrained wrote, of RobertaForMaskedLM for a model of kind mlm, of \
            RobertaForCausalLM for one of kind clm: model.safetensors in float32, float16 or bfloat16, config.json and a \
            byte-level BPE tokenizer. It is copied into the inbox's folder first, where the service can read it, and left \
            as it is.
            """)

    @Argument(help: ArgumentHelp("The directory.", valueName: "dir"), completion: .directory) var directory: String
    @Option(name: .shortAndLong, help: ArgumentHelp("The model it becomes a generation of.", valueName: "name"))
    var model: String

    @OptionGroup var global: GlobalOptions

    /// What a Hugging Face directory has that matters here; the rest of a download is not copied.
    private static let files = [
        "config.json", "model.safetensors", "tokenizer.json", "vocab.json", "merges.txt", "tokenizer_config.json",
        "special_tokens_map.json", "training_args.json",
    ]

    func run() throws {
        let client = try global.connect()
        let status = try client.call(ManagerInterface.GetStatus.self, .init())
        guard status.models.contains(where: { $0.name == model }) else {
            throw ManagerInterface.ModelNotFound(model: model, available: status.models.map(\.name))
        }
        guard case .string(let inbox)? = status.resources["inbox"] else {
            throw Failure(
                "the service does not say where its inbox is: it is older than this kbctl", status: EX_PROTOCOL)
        }
        // Hidden, so that the inbox leaves it alone.
        let staged = "\(inbox)/.import-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        defer { try? FileManager.default.removeItem(atPath: staged) }
        try stage(at: staged)
        let reply: ManagerInterface.Import.Reply
        do {
            reply = try client.call(ManagerInterface.Import.self, .init(model: model, directory: staged))
        } catch let error as ManagerInterface.ImportRefused {
            // The user knows the directory, not its copy.
            throw Failure(
                "\(directory) cannot be imported: \(error.reason.replacing(staged, with: directory))",
                status: EX_DATAERR)
        }
        if global.json { return try Terminal.json(reply) }
        Terminal.paragraph(
            "\(model) \(reply.generation): \(Human.count(reply.parameters)) parameters, SHA-256 \(reply.modelSha256)")
        let generations = try client.call(ManagerInterface.ListGenerations.self, .init(model: model)).generations
        if generations.contains(where: { $0.number == reply.generation && $0.state == .candidate }) {
            Terminal.paragraph(
                "It serves if it is no worse than what serves; ‘kbctl generations \(model)’ says so in a while.")
        }
    }

    private func stage(at staged: String) throws {
        guard access("\(directory)/config.json", R_OK) == 0 else {
            throw Failure(
                "\(directory) is no model directory that can be read: it has no config.json", status: EX_NOINPUT)
        }
        do {
            try FileManager.default.createDirectory(atPath: staged, withIntermediateDirectories: false)
            chmod(staged, 0o770)
            for name in Self.files where access("\(directory)/\(name)", F_OK) == 0 {
                // Through symbolic links: a Hugging Face cache has nothing else.
                let source = URL(filePath: "\(directory)/\(name)").resolvingSymlinksInPath().path
                try FileManager.default.copyItem(atPath: source, toPath: "\(staged)/\(name)")
                chmod("\(staged)/\(name)", 0o640)
            }
        } catch {
            throw Failure("\(directory) cannot be copied to \(staged): \(error)", status: EX_CANTCREAT)
        }
    }
}

extension String {
    fileprivate func replacing(_ old: String, with new: String) -> String {
        var result = ""
        var rest = self[...]
        while let range = rest.firstRange(of: old) {
            result += rest[..<range.lowerBound] + new
            rest = rest[range.upperBound...]
        }
        return result + rest
    }
}
