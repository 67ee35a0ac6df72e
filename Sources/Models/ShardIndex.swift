import Durable
import Safetensors

/// `model.safetensors.index.json`, which says which shard each tensor is in:
/// `{"metadata": {"total_size": 123}, "weight_map": {"TENSOR": "model-00001-of-00002.safetensors", …}}`.
struct ShardIndex {
    /// The shard of each tensor.
    private(set) var shards: [String: String] = [:]

    static let mostBytes = 1 << 24
    static let mostTensors = 1 << 16

    init(_ path: String) throws(ModelError) {
        let bytes: [UInt8]
        do { bytes = try Durable.read(path, atMost: Self.mostBytes) } catch {
            throw ModelError(path: path, reason: "\(error)")
        }
        do throws(SafetensorsHeader.Flaw) { try parse(bytes) } catch {
            throw ModelError(path: path, reason: "is not a valid index of shards: \(error.reason)")
        }
    }

    private mutating func parse(_ bytes: [UInt8]) throws(SafetensorsHeader.Flaw) {
        var reader = HeaderJSON(bytes)
        var keys: Set<String> = []
        var shards: [String: String] = [:]
        try reader.object { reader, key throws(SafetensorsHeader.Flaw) in
            guard keys.insert(key).inserted else { throw .init(reason: "`\(key.prefix(100))` occurs twice") }
            switch key {
            case "metadata":
                try reader.object { reader, _ throws(SafetensorsHeader.Flaw) in try reader.skipScalar() }
            case "weight_map":
                try reader.object { reader, tensor throws(SafetensorsHeader.Flaw) in
                    guard tensor.utf8.count <= SafetensorsHeader.longestName else {
                        throw .init(reason: "a tensor name has more than \(SafetensorsHeader.longestName) bytes")
                    }
                    guard shards.count < Self.mostTensors else {
                        throw .init(reason: "there are more than \(Self.mostTensors) tensors")
                    }
                    let shard = try reader.string()
                    guard Self.isFileName(shard) else {
                        throw .init(
                            reason: "`\(tensor)` is in ‘\(shard.prefix(100))’, expected the name of a .safetensors file"
                        )
                    }
                    guard shards.updateValue(shard, forKey: tensor) == nil else {
                        throw .init(reason: "the tensor `\(tensor)` occurs twice")
                    }
                }
            default: throw .init(reason: "the key `\(key.prefix(100))`, expected metadata and weight_map")
            }
        }
        try reader.end()
        guard !shards.isEmpty else { throw .init(reason: "`weight_map` is missing or empty") }
        self.shards = shards
    }

    /// Whether a text is the name of a file in the same folder.
    private static func isFileName(_ name: String) -> Bool {
        name.hasSuffix(".safetensors") && !name.hasPrefix(".") && name.utf8.count <= 255
            && !name.utf8.contains { $0 == UInt8(ascii: "/") || $0 < 0x20 }
    }
}
