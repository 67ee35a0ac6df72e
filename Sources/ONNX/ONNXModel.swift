import Glibc

/// Writes a generation as an ONNX model (onnx.ai, IR version 8, operator set 17) for runtimes without PyTorch.
public enum ONNXModel {
    /// A protocol buffer message, and therefore a file, has less than 2 GiB.
    public static let largestFile = 2_147_483_647
    private static let irVersion = 8
    private static let operatorSet = 17

    /// Writes the model in `directory`, which has a `config.json` and a float32 `model.safetensors` of this project.
    ///
    /// The numbers are copied into the file, a megabyte at a time. If it would have more than `limit` bytes, they stay in
    /// `model.safetensors`, to which the file then refers, so both must be in the same directory.
    /// - Parameter version: the version of this program
    /// - Returns: whether the numbers were copied
    /// - Throws: `ONNXError`, also if there is a file at `path` already; an incomplete file is removed
    @discardableResult
    public static func write(
        from directory: String, to path: String, version: String, limit: Int = largestFile
    ) throws(ONNXError) -> Bool {
        let files = try ModelFiles(directory: directory)
        var model = try message(files, version: version, weightsFile: nil)
        let isWhole = model.count <= limit
        if !isWhole { model = try message(files, version: version, weightsFile: ModelFiles.weightsName) }
        guard model.count <= limit else {
            throw ONNXError(path: path, reason: "would have \(model.count) bytes, expected at most \(limit)")
        }
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw ONNXError(path: path, errno: errno) }
        defer { close(descriptor) }
        do throws(ONNXError) { try write(model, weights: files.weights, to: descriptor, path) } catch {
            unlink(path)
            throw error
        }
        return isWhole
    }

    /// Returns a `ModelProto`.
    private static func message(
        _ files: ModelFiles, version: String, weightsFile: String?
    ) throws(ONNXError) -> ProtobufMessage {
        var operators = ProtobufMessage()
        operators.add(1, "")
        operators.add(2, operatorSet)
        var model = ProtobufMessage()
        model.add(1, irVersion)
        model.add(2, "kantaibert")
        model.add(3, version)
        model.add(7, try RobertaGraph.build(files, weightsFile: weightsFile))
        model.add(8, operators)
        return model
    }

    private static func write(
        _ message: ProtobufMessage, weights: InputFile, to descriptor: Int32, _ path: String
    ) throws(ONNXError) {
        let block = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 16)
        defer { block.deallocate() }
        func put(_ bytes: UnsafeRawBufferPointer) throws(ONNXError) {
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = Glibc.write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
                if count < 0 && errno == EINTR { continue }
                guard count > 0 else { throw ONNXError(path: path, errno: count < 0 ? errno : ENOSPC) }
                rest = rest.dropFirst(count)
            }
        }
        for piece in message.pieces {
            switch piece {
            case .bytes(let bytes):
                var offset = 0
                while offset < bytes.count {
                    let part = bytes[offset..<min(bytes.count, offset + block.count)]
                    block.copyBytes(from: part)
                    try put(UnsafeRawBufferPointer(rebasing: block[..<part.count]))
                    offset += part.count
                }
            case .weights(let range):
                for offset in stride(from: range.lowerBound, to: range.upperBound, by: block.count) {
                    let part = UnsafeMutableRawBufferPointer(
                        rebasing: block[..<min(block.count, range.upperBound - offset)])
                    try weights.read(into: part, from: offset)
                    try put(UnsafeRawBufferPointer(part))
                }
            }
        }
    }
}
