import Kernels

/// The packed matrices of a model and their offsets in one memory region. Packing, the packed file next to a generation
/// and the serving model all use this layout.
public struct PackedLayout: Sendable, Equatable {
    struct Entry: Sendable, Equatable {
        /// Names of the tensors whose rows the matrix concatenates.
        let tensors: [String]
        let outFeatures: Int
        let inFeatures: Int
        /// Offset in bytes, a multiple of 64.
        let offset: Int
    }

    /// Version of the packed format; incremented when the same model packs to different bytes.
    public static let version = 1

    public let precision: WeightPrecision
    /// Total size in bytes.
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

    /// Returns the matrices in order of use: four per layer, the head's dense layer, the decoder.
    func weights(at base: UnsafeMutableRawPointer, expandsBFloat16: Bool = false) -> [PackedWeight] {
        entries.map {
            PackedWeight(
                base + $0.offset, outFeatures: $0.outFeatures, inFeatures: $0.inFeatures, precision,
                expandsBFloat16: expandsBFloat16)
        }
    }

    /// Packs a model.
    /// - Parameter base: `bytes` of memory, aligned to a cache line
    public func pack(_ file: SafetensorsFile, into base: UnsafeMutableRawPointer) throws(ModelError) {
        for (entry, weight) in zip(entries, weights(at: base)) {
            var rows = 0
            let shape = [entry.outFeatures / entry.tensors.count, entry.inFeatures]
            let tensors = try entry.tensors.map { name throws(ModelError) in try file.tensor(name, shape: shape) }
            // Converted to float32 in chunks of whole strips.
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
