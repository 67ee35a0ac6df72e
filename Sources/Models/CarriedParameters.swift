import Kernels

extension RobertaModel {
    /// Sets the parameters to those of an earlier model of the same shape whose vocabulary may differ.
    ///
    /// Rows of the word embedding and elements of the head's bias become the mean of those of the tokens in `pieces`. Where
    /// there are none, the row stays as initialized, and the bias becomes the lowest of the earlier model, so that the
    /// token is not predicted.
    /// - Parameters:
    ///   - earlier: differs at most in the rows of the word embedding and in dropout
    ///   - pieces: the earlier model's tokens that each row consists of, `[rows]`
    ///   - shrink: the share of the earlier parameters, the rest being the present ones: shrink and perturb (Ash and Adams
    ///     2020, algorithm 1)
    public func carryOver(from earlier: RobertaModel, pieces: [[Int32]], shrink: Double = 1) {
        checked(pieces.count == configuration.vocabSize)
        let hidden = configuration.hiddenSize
        let (keep, add) = (Float(shrink), Float(1 - shrink))
        func set(_ target: UnsafeMutableBufferPointer<Float>, _ place: Int, _ value: Float) {
            target[place] = shrink == 1 ? value : keep * value + add * target[place]
        }
        for entry in parameters.layout.entries {
            let (target, source) = (parameters[entry], earlier.parameters[entry.name])
            guard entry.shape.first == configuration.vocabSize, RobertaModel.tables.contains(entry.name) else {
                checked(target.count == source.count)
                for place in target.indices { set(target, place, source[place]) }
                continue
            }
            let width = entry.shape.count == 1 ? 1 : hidden
            for (row, tokens) in pieces.enumerated() {
                guard !tokens.isEmpty else {
                    if width == 1 { target[row] = source.min() ?? 0 }
                    continue
                }
                for column in 0..<width {
                    let sum = tokens.reduce(Float(0)) { $0 + source[Int($1) * width + column] }
                    set(target, row * width + column, sum / Float(tokens.count))
                }
            }
        }
    }

    /// The tensors with a row for each token. The decoder weight is tied to the word embedding.
    private static let tables: Set = ["roberta.embeddings.word_embeddings.weight", "lm_head.bias"]
}
