import Kernels

/// Which matrices of a model are packed, and where each lies in one piece of memory: the one list that packing, the file
/// beside a generation and the model that serves share.
public struct PackedLayout: Sendable, Equatable {
    struct Entry: Sendable, Equatable {
        /// The tensors whose rows it has, one behind the other.
        let tensors: [String]
        let outFeatures: Int
        let inFeatures: Int
        /// Bytes from the beginning, a multiple of 64.
        let offset: Int
    }

    /// Goes up when the same model packs to other bytes.
    public static let version = 1

    public let precision: WeightPrecision
    /// What all of them take.
    public let bytes: Int
    let entries: [Entry]

    public init(_ configuration: RobertaConfiguration, _ precision: WeightPrecision) {
        let (hidden, intermediate) = (configuration.hiddenSize, configuration.intermediateSize)
        var entries: [Entry] = []
        var offset = 0
        func add(_ tensors: [String], _ outFeatures: Int, _ inFeatures: Int) {
            entries.append(
                Entry(
                    tensors: tensors.map { "\($0).weight" }, outFeatures: outFeatures, inFeatures: inFeatures,
                    offset: offset))
            offset += PackedWeight.bytes(outFeatures: outFeatures, inFeatures: inFeatures, precision)
        }
        for index in 0..<configuration.numHiddenLayers {
            let layer = "roberta.encoder.layer.\(index)"
            add(["query", "key", "value"].map { "\(layer).attention.self.\($0)" }, 3 * hidden, hidden)
            add(["\(layer).attention.output.dense"], hidden, hidden)
            add(["\(layer).intermediate.dense"], intermediate, hidden)
            add(["\(layer).output.dense"], hidden, intermediate)
        }
        add(["lm_head.dense"], hidden, hidden)
        add([String(ParameterLayout.decoder(configuration).dropLast(".weight".count))], configuration.vocabSize, hidden)
        self.precision = precision
        self.entries = entries
        bytes = offset
    }

    /// The matrices in the order they are used in: four a layer, the head's dense, the words.
    func weights(at base: UnsafeMutableRawPointer) -> [PackedWeight] {
        entries.map {
            PackedWeight(base + $0.offset, outFeatures: $0.outFeatures, inFeatures: $0.inFeatures, precision)
        }
    }

    /// Packs a model.
    /// - Parameter base: `bytes` of memory, on a cache line
    public func pack(_ file: SafetensorsFile, into base: UnsafeMutableRawPointer) throws(ModelError) {
        for (entry, weight) in zip(entries, weights(at: base)) {
            var rows = 0
            let shape = [entry.outFeatures / entry.tensors.count, entry.inFeatures]
            let tensors = try entry.tensors.map { name throws(ModelError) in try file.tensor(name, shape: shape) }
            // As float32, some thousand rows at a time: whole strips.
            let chunk = 4_096
            let arena = Arena(bytes: 4 * min(chunk, entry.outFeatures) * entry.inFeatures)
            let buffer = arena.matrix(rows: min(chunk, entry.outFeatures), columns: entry.inFeatures)
            while rows < entry.outFeatures {
                let count = min(chunk, entry.outFeatures - rows)
                for row in rows..<rows + count {
                    let tensor = tensors[row / shape[0]]
                    let length = entry.inFeatures * tensor.type.bytes
                    let from = row % shape[0] * length
                    tensor.type.read(
                        UnsafeRawBufferPointer(rebasing: file.bytes(tensor)[from..<from + length]),
                        into: UnsafeMutableBufferPointer(start: buffer.row(row - rows), count: entry.inFeatures))
                }
                weight.pack(buffer.rows(0..<count), at: rows)
                rows += count
            }
        }
    }
}
