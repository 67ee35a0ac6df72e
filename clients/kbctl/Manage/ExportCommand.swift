import ArgumentParser
import Formatting
import FoundationEssentials
import Glibc
import Interface
import ONNX
import Varlink

struct Export: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Export the serving generation with a model card.",
        discussion: """
            For administrators. Writes a Hugging Face model directory whose README.md says what the model was trained \
            on, how, and how to load it. --onnx adds model.onnx, which ONNX Runtime runs on phones and in browsers: input_ids \
            and attention_mask in, logits out. --check compares the log-likelihood that the service and transformers (of \
            python3, or of $KANTAIBERT_PYTHON) compute for the same text.
            """)

    @Argument(help: ArgumentHelp("The model.", valueName: "model"), completion: .models) var name: String
    @Argument(
        help: ArgumentHelp("The directory to create.", valueName: "dir"), completion: .directory)
    var directory: String
    @Flag(help: "Add model.onnx.") var onnx = false
    @Flag(help: "Compare the copy's results in transformers with the service's.") var check = false

    @OptionGroup var global: GlobalOptions

    func run() throws {
        let client = try global.connect()
        guard access(directory, F_OK) != 0 else {
            throw Failure("\(directory) already exists; name a directory that does not", status: EX_CANTCREAT)
        }
        let models = try client.call(ManagerInterface.ListModels.self, .init()).models
        guard let model = models.first(where: { $0.name == name }) else {
            throw ManagerInterface.ModelNotFound(model: name, available: models.map(\.name))
        }
        let exported = try client.exportModel(name)
        let description = try client.call(ManagerInterface.Describe.self, .init(model: name))
        guard description.generation == exported.reply.generation else {
            throw Failure("another generation was promoted during the export; try again", status: EX_TEMPFAIL)
        }
        let generations = try client.call(ManagerInterface.ListGenerations.self, .init(model: name)).generations
        // Written under a temporary name and renamed when complete.
        let aside = "\(directory).part-\(getpid())"
        var isWhole = false
        // Whether model.onnx does not need model.safetensors.
        var isCopied = true
        defer { if !isWhole { try? FileManager.default.removeItem(atPath: aside) } }
        do {
            try FileManager.default.createDirectory(atPath: aside, withIntermediateDirectories: true)
            for file in exported.files { try Self.copy(file, to: "\(aside)/\(file.name)") }
            if onnx {
                isCopied = try ONNXModel.write(from: aside, to: "\(aside)/model.onnx", version: Release.version)
            }
            let card = ModelCard(
                model: model, description: description,
                generation: generations.first { $0.number == exported.reply.generation },
                export: exported.reply, directory: aside, hasONNX: onnx)
            try Data(card.text.utf8).write(to: URL(filePath: "\(aside)/README.md"))
            try FileManager.default.moveItem(atPath: aside, toPath: directory)
        } catch {
            throw Failure("\(name) cannot be copied to \(directory): \(error)", status: EX_CANTCREAT)
        }
        isWhole = true
        if global.json {
            try Terminal.json(["directory": directory])
        } else {
            Terminal.paragraph("\(directory): \(name) \(exported.reply.generation)")
            if !isCopied {
                Terminal.paragraph(
                    "model.onnx would exceed 2 GB and reads its weights from model.safetensors beside it.")
            }
        }
        if check { try TransformersCheck(client: client, model: model, directory: directory).run(quietly: global.json) }
    }

    /// Copies a file that the service opened for this process.
    private static func copy(_ source: NamedFile, to path: String) throws {
        let file = OpenDescriptor(open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666))
        guard file.number >= 0 else { throw CopyError(operation: "open", path: path, number: errno) }
        var block = [UInt8](repeating: 0, count: 1 << 20)
        var offset = 0
        while true {
            // The open file description, and with it the file offset, may be shared with other processes.
            let count = pread(source.file.number, &block, block.count, offset)
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw CopyError(operation: "read", path: source.name, number: errno) }
            if count == 0 { return }
            var written = 0
            while written < count {
                let step = block[written..<count].withUnsafeBytes { write(file.number, $0.baseAddress, $0.count) }
                if step < 0 && errno == EINTR { continue }
                guard step >= 0 else { throw CopyError(operation: "write", path: path, number: errno) }
                written += step
            }
            offset += count
        }
    }

    private struct CopyError: Error, CustomStringConvertible {
        let operation: String
        let path: String
        let number: Int32

        var description: String { "\(operation) \(path): \(String(cString: strerror(number)))" }
    }
}
