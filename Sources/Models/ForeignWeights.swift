import Durable
import FoundationEssentials
import Glibc
import Safetensors

/// The configuration and the weights of a model directory that other software wrote: `model.safetensors`, or shards and
/// `model.safetensors.index.json`.
///
/// Every tensor is in exactly one file. The header of each file is validated like that of our own models.
public struct ForeignWeights: Sendable {
    public static let indexFile = "model.safetensors.index.json"
    public static let mostShards = 64
    private static let tokenTypes = "embeddings.token_type_embeddings.weight"

    public let configuration: RobertaConfiguration
    /// The file that a missing tensor is reported for: the weights, or the index of the shards.
    public let path: String
    /// All tensors of supported types.
    public private(set) var tensors: [String: SafetensorsFile.Tensor] = [:]
    private var files: [SafetensorsFile] = []
    /// Index in `files` of each tensor's file.
    private var places: [String: Int] = [:]
    /// `type_vocab_size`; nil if the configuration does not have it.
    private let typeVocabSize: Int?

    public init(directory: String) throws(ModelError) {
        (configuration, typeVocabSize) = try ConfigurationFile.readForeign(
            "\(directory)/\(ModelDirectory.configurationFile)")
        let (whole, index) = ("\(directory)/\(ModelDirectory.weightsFile)", "\(directory)/\(Self.indexFile)")
        let bytes = configuration.weightsBytes(widest: .float64)
        guard access(index, F_OK) == 0 else {
            path = whole
            try add(SafetensorsFile(path: whole, bytes: bytes))
            return
        }
        path = index
        guard access(whole, F_OK) != 0 else {
            throw ModelError(path: index, reason: "lists shards, but there is a \(ModelDirectory.weightsFile) too")
        }
        let shards = try ShardIndex(index).shards
        let names = Set(shards.values).sorted()
        guard names.count <= Self.mostShards else {
            throw ModelError(path: index, reason: "lists \(names.count) shards, expected at most \(Self.mostShards)")
        }
        try Self.check(names, in: directory, index: index, bytes: bytes)
        for name in names { try add(SafetensorsFile(path: "\(directory)/\(name)"), listedIn: shards, as: name) }
        if let missing = shards.keys.sorted().first(where: { places[$0] == nil }) {
            throw ModelError(
                path: "\(directory)/\(shards[missing] ?? "")",
                reason: "the tensor `\(missing)` is missing, which \(Self.indexFile) lists for this shard")
        }
    }

    /// Checks that the shards are exactly the ones of the folder, and their total size.
    private static func check(
        _ names: [String], in directory: String, index: String, bytes: ClosedRange<Int>
    ) throws(ModelError) {
        var total = 0
        for name in names {
            var status = stat()
            guard lstat("\(directory)/\(name)", &status) == 0 else {
                throw ModelError(path: index, reason: "lists the shard \(name), which is missing")
            }
            total += Int(clamping: status.st_size)
        }
        let present = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
        if let other = present.sorted().first(where: { $0.hasSuffix(".safetensors") && !names.contains($0) }) {
            throw ModelError(path: index, reason: "does not list \(other)")
        }
        let most = bytes.upperBound + (names.count - 1) * (8 + SafetensorsHeader.longest)
        guard (bytes.lowerBound...most).contains(total) else {
            throw ModelError(
                path: index,
                reason: "lists shards of \(total) bytes, expected \(bytes.lowerBound) to \(most) for the sizes in "
                    + ModelDirectory.configurationFile)
        }
    }

    private mutating func add(
        _ file: SafetensorsFile, listedIn shards: [String: String]? = nil, as name: String = ""
    ) throws(ModelError) {
        for (tensor, type) in file.allTypes.sorted(by: { $0.key < $1.key }) {
            if let shards, shards[tensor] != name {
                let other = shards[tensor].map { "lists for \($0)" } ?? "does not list"
                throw ModelError(
                    path: file.path, reason: "has the tensor `\(tensor)` (\(type)), which \(Self.indexFile) \(other)")
            }
            places[tensor] = files.count
        }
        guard places.count <= ShardIndex.mostTensors else {
            throw ModelError(path: path, reason: "there are more than \(ShardIndex.mostTensors) tensors")
        }
        tensors.merge(file.tensors) { first, _ in first }
        files.append(file)
    }

    private func file(of name: String) throws(ModelError) -> SafetensorsFile {
        guard let place = places[name] else {
            throw ModelError(path: path, reason: "the tensor `\(name)` is missing")
        }
        return files[place]
    }

    /// Checks that a tensor exists and has the given shape, or, for the token types, as many rows as the configuration says.
    func require(_ name: String, shape: [Int]) throws(ModelError) {
        try file(of: name).require(name, shape: fileShape(name, shape))
    }

    /// Reads a tensor, converted to float32; of the token types, the first row.
    func read(_ name: String, shape: [Int], into destination: UnsafeMutableBufferPointer<Float>) throws(ModelError) {
        try file(of: name).readRows(name, shape: fileShape(name, shape), into: destination)
    }

    private func fileShape(_ name: String, _ shape: [Int]) -> [Int] {
        guard name.hasSuffix(Self.tokenTypes) else { return shape }
        return [tokenTypes, configuration.hiddenSize]
    }

    /// The number of token types.
    private var tokenTypes: Int {
        if let typeVocabSize { return typeVocabSize }
        let rows = tensors.first { $0.key.hasSuffix(Self.tokenTypes) }?.value.shape.first ?? 1
        return (1...ConfigurationFile.mostTokenTypes).contains(rows) ? rows : 1
    }

    func requireAllFinite() throws(ModelError) {
        for file in files { try file.requireAllFinite() }
    }

    /// Describes how the imported model differs from these files, one sentence each.
    public var differences: [String] {
        var differences: [String] = []
        if tokenTypes > 1 {
            differences.append(
                "type_vocab_size is \(tokenTypes): the model has the first token type, which transformers uses by "
                    + "default; the others were left out")
        }
        let doubles = tensors.count { $0.value.type == .float64 }
        if doubles > 0 {
            differences.append("\(doubles) of \(tensors.count) tensors are F64; their numbers were rounded to F32")
        }
        return differences
    }
}
