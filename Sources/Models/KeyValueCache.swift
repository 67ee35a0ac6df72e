import Kernels

/// Cached keys and values of one sequence, so that decoding the next token processes only one row.
///
/// Not safe for concurrent use.
public final class KeyValueCache: @unchecked Sendable {
    // @unchecked: the task that decodes a sequence owns its cache.

    /// Maximum number of tokens.
    public let capacity: Int
    /// Current number of tokens.
    public internal(set) var count = 0
    /// Row of the position table used for the first token.
    let firstPosition: Int32
    private let arena: Arena
    /// (capacity, C) each, one per layer
    let keys: [Matrix]
    let values: [Matrix]

    init(_ configuration: RobertaConfiguration, capacity: Int, firstPosition: Int32) {
        checked(capacity + Int(firstPosition) <= configuration.maxPositionEmbeddings)
        self.capacity = capacity
        self.firstPosition = firstPosition
        let hidden = configuration.hiddenSize
        let layers = configuration.numHiddenLayers
        let arena = Arena(bytes: 2 * layers * Arena.rounded(4 * capacity * hidden))
        self.arena = arena
        keys = (0..<layers).map { _ in arena.matrix(rows: capacity, columns: hidden) }
        values = (0..<layers).map { _ in arena.matrix(rows: capacity, columns: hidden) }
    }
}

extension RobertaModel {
    /// Creates an empty cache for one sequence.
    /// - Parameters:
    ///   - capacity: maximum number of tokens, at most `configuration.longestSequence`
    ///   - firstPosition: the first token's row in the position table: 2 in every forward pass and in training. Only
    ///     `generate()` of transformers 5 counts from 0; pass 0 to compare with it.
    public func makeKeyValueCache(
        capacity: Int, firstPosition: Int32 = RobertaConfiguration.firstPosition
    ) -> KeyValueCache {
        KeyValueCache(configuration, capacity: capacity, firstPosition: firstPosition)
    }

    /// Appends tokens to the sequence in `cache` and returns a causal model's prediction for the next token.
    /// - Parameter ids: at least one token, at most the remaining capacity of `cache`
    /// - Returns: logits, `[vocabSize]`
    public func decode(_ ids: [Int32], cache: KeyValueCache) -> [Float] {
        checked(configuration.isDecoder, "decode: the model is not causal")
        checked(!ids.isEmpty && cache.count + ids.count <= cache.capacity)
        let (new, hiddenSize) = (ids.count, configuration.hiddenSize)
        let headRows = LanguageModelHead.Workspace.rows(configuration, wanted: 1)
        let arena = Arena(
            bytes: 4 * new * (7 * hiddenSize + 2 * configuration.intermediateSize + 2) + 12 * Arena.alignment
                + LanguageModelHead.Workspace.bytes(configuration, rows: headRows))
        let x = arena.matrix(rows: new, columns: hiddenSize)
        let query = arena.matrix(rows: new, columns: hiddenSize)
        let context = arena.matrix(rows: new, columns: hiddenSize)
        let sum = arena.matrix(rows: new, columns: hiddenSize)
        let attentionOutput = arena.matrix(rows: new, columns: hiddenSize)
        let preGELU = arena.matrix(rows: new, columns: configuration.intermediateSize)
        let gelu = arena.matrix(rows: new, columns: configuration.intermediateSize)
        let mean = arena.vector(new)
        let rstd = arena.vector(new)
        let epsilon = Float(configuration.layerNormEps)
        let seen = 0..<cache.count + new
        let added = cache.count..<cache.count + new

        embed(
            x, sum: sum, mean: mean, rstd: rstd, ids: ids,
            positions: added.map { Int32($0) + cache.firstPosition })
        for (index, layer) in weights.layers.enumerated() {
            let (keys, values) = (cache.keys[index], cache.values[index])
            for (out, linear) in [
                (query, layer.query), (keys.rows(added), layer.key), (values.rows(added), layer.value),
            ] {
                linearForward(out, x: x, weight: linear.weight)
                addBias(out, linear.bias)
            }
            attentionDecode(
                context, q: query, k: keys.rows(seen), v: values.rows(seen), heads: configuration.numAttentionHeads)
            linearForward(sum, x: context, weight: layer.attentionOutput.weight)
            biasDropoutResidualForward(sum, x: sum, bias: layer.attentionOutput.bias, residual: x, mask: nil, scale: 1)
            layerNormForward(
                attentionOutput, mean: mean, rstd: rstd, x: sum, weight: layer.attentionNorm.weight,
                bias: layer.attentionNorm.bias, epsilon: epsilon)
            linearForward(preGELU, x: attentionOutput, weight: layer.intermediate.weight)
            biasGELUForward(gelu, x: preGELU, bias: layer.intermediate.bias)
            linearForward(sum, x: gelu, weight: layer.output.weight)
            biasDropoutResidualForward(
                sum, x: sum, bias: layer.output.bias, residual: attentionOutput, mask: nil, scale: 1)
            layerNormForward(
                x, mean: mean, rstd: rstd, x: sum, weight: layer.outputNorm.weight, bias: layer.outputNorm.bias,
                epsilon: epsilon)
        }
        cache.count += new
        let workspace = LanguageModelHead.Workspace(arena, configuration, rows: headRows)
        let logits = head(.float32).forward(workspace, x: x, rows: [new - 1])
        return Array(UnsafeBufferPointer(start: logits.base, count: configuration.vocabSize))
    }
}
