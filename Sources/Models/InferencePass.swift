import Kernels

extension RobertaModel {
    /// Computes logits of selected tokens of a batch, without dropout.
    /// - Parameters:
    ///   - inputIDs: token ids of all sequences, concatenated
    ///   - sequenceOffsets: start of each sequence and the end; no sequence
    ///     is longer than `configuration.longestSequence`
    ///   - rows: indices into `inputIDs`
    /// - Returns: `[rows.count, vocabSize]`
    public func logits(inputIDs: [Int32], sequenceOffsets: [Int], rows: [Int]) -> [Float] {
        let tokens = inputIDs.count
        let shape = AttentionShape(
            sequences: SequenceOffsets(sequenceOffsets), heads: configuration.numAttentionHeads,
            causal: configuration.isDecoder)
        let headRows = LanguageModelHead.Workspace.rows(configuration, wanted: rows.count)
        let arena = Arena(
            bytes: LayerActivations.bytes(configuration, tokens: tokens, scores: shape.scoreCount)
                + 8 * tokens * configuration.hiddenSize + 4 * Arena.alignment
                + LanguageModelHead.Workspace.bytes(configuration, rows: headRows))
        // All layers share one layer's memory, because nothing is saved for a backward pass.
        let activations = LayerActivations(arena, configuration, tokens: tokens, scores: shape.scoreCount)
        let hidden = arena.matrix(rows: tokens, columns: configuration.hiddenSize)
        embed(
            hidden, sum: activations.outputSum, mean: activations.outputMean, rstd: activations.outputRstd,
            ids: inputIDs, positions: positions(shape.sequences))
        for index in 0..<configuration.numHiddenLayers {
            layer(index, .float32).forward(activations, x: hidden, shape, nil)
            hidden.base.update(from: activations.output.base, count: tokens * hidden.columns)
        }
        let workspace = LanguageModelHead.Workspace(arena, configuration, rows: headRows)
        var result: [Float] = []
        result.reserveCapacity(rows.count * configuration.vocabSize)
        for first in stride(from: 0, to: rows.count, by: headRows) {
            let chunk = rows[first..<min(rows.count, first + headRows)]
            let logits = head(.float32).forward(workspace, x: hidden, rows: chunk)
            result.append(
                contentsOf: UnsafeBufferPointer(start: logits.base, count: chunk.count * configuration.vocabSize))
        }
        return result
    }
}
