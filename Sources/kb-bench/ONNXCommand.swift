import ArgumentParser
import Formatting
import ONNX

/// `kb-bench onnx`: writes a generation as an ONNX model, for `Tests/Parity/onnx_parity.py`.
struct ONNXCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "onnx", abstract: "Write the model of a generation's directory as an ONNX model.")

    @Argument(help: "A directory with config.json and model.safetensors, as the service publishes it.")
    var directory: String
    @Argument(help: "The file to create.") var file: String
    @Option(help: "The largest file in bytes; the weights of a larger one stay in model.safetensors.")
    var limit = ONNXModel.largestFile

    func run() throws {
        try ONNXModel.write(from: directory, to: file, version: Release.version, limit: limit)
    }
}
