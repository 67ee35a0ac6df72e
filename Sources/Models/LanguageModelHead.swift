import Kernels

/// `RobertaLMHead`: logits = LN(gelu(dense(x)))·Eᵀ + bias, where E is the word embedding if the weights are tied.
///
/// Runs only on the requested rows, and holds the logits of at most one chunk of them at a time.
struct LanguageModelHead {
    /// Memory for a chunk of m rows, with hidden size C and vocabulary size V.
    struct Workspace {
        /// (m, C)
        let input: Matrix
        let preGELU: Matrix
        let gelu: Matrix
        let normed: Matrix
        let mean: Vector
        let rstd: Vector
        /// (m, V)
        let logits: Matrix
        /// (m, C)
        let gradient: Matrix

        /// Returns the maximum number of rows in a chunk: 96 MB of logits, and no more rows than wanted. Each chunk
        /// reads all of E twice and its gradient once, so fewer chunks are faster.
        static func rows(_ configuration: RobertaConfiguration, wanted: Int) -> Int {
            min(max(wanted, 1), max(16, 24_000_000 / configuration.vocabSize))
        }

        static func bytes(_ configuration: RobertaConfiguration, rows: Int) -> Int {
            4 * rows * (5 * configuration.hiddenSize + configuration.vocabSize + 2) + 8 * Arena.alignment
        }

        init(_ arena: Arena, _ configuration: RobertaConfiguration, rows: Int) {
            let hidden = configuration.hiddenSize
            input = arena.matrix(rows: rows, columns: hidden)
            preGELU = arena.matrix(rows: rows, columns: hidden)
            gelu = arena.matrix(rows: rows, columns: hidden)
            normed = arena.matrix(rows: rows, columns: hidden)
            mean = arena.vector(rows)
            rstd = arena.vector(rows)
            logits = arena.matrix(rows: rows, columns: configuration.vocabSize)
            gradient = arena.matrix(rows: rows, columns: hidden)
        }
    }

    let weights: RobertaWeights
    let epsilon: Float
    let precision: Precision

    /// Computes the logits of selected rows of `x`. Returns a view of `w.logits`, (rows, V).
    /// - Parameter x: (T, C)
    func forward(_ w: Workspace, x: Matrix, rows: ArraySlice<Int>) -> Matrix {
        let logits = forwardWithoutBias(w, x: x, rows: rows)
        addBias(logits, weights.headBias)
        return logits
    }

    /// Like `forward`, but does not add the output bias.
    private func forwardWithoutBias(_ w: Workspace, x: Matrix, rows: ArraySlice<Int>) -> Matrix {
        let range = 0..<rows.count
        for (to, from) in rows.enumerated() { w.input.row(to).update(from: x.row(from), count: x.columns) }
        linearForward(
            w.preGELU.rows(range), x: w.input.rows(range), weight: weights.headDense.weight, precision: precision)
        biasGELUForward(w.gelu.rows(range), x: w.preGELU.rows(range), bias: weights.headDense.bias)
        layerNormForward(
            w.normed.rows(range), mean: w.mean, rstd: w.rstd, x: w.gelu.rows(range), weight: weights.headNorm.weight,
            bias: weights.headNorm.bias, epsilon: epsilon)
        let logits = w.logits.rows(range)
        linearForward(logits, x: w.normed.rows(range), weight: weights.decoder, precision: precision)
        return logits
    }

    /// Computes the loss of selected rows of `x` and, if `backward` is given, runs the backward pass: adds
    /// lossScale · dΣloss/dx to those rows of `dx`, and adds to `gradients`.
    /// - Parameters:
    ///   - x, dx: (T, C)
    ///   - labels: one for each of `rows`
    func loss(
        _ w: Workspace, x: Matrix, rows: [Int], labels: [Int32],
        backward: (dx: Matrix, gradients: RobertaWeights, lossScale: Float)?
    ) -> LossAccumulator {
        var sums = LossAccumulator()
        // Chunks of similar size: a small last chunk would cost as much as a full one.
        let chunks = max(1, (rows.count + w.logits.rows - 1) / w.logits.rows)
        let size = max(1, (rows.count + chunks - 1) / chunks)
        for first in stride(from: 0, to: rows.count, by: size) {
            let chunk = first..<min(rows.count, first + size)
            let logits = forwardWithoutBias(w, x: x, rows: rows[chunk])
            sums += crossEntropy(
                logits, bias: weights.headBias, labels: labels[chunk], gradientScale: backward?.lossScale)
            guard let (dx, gradients, _) = backward else { continue }
            let range = 0..<chunk.count
            let g = w.gradient.rows(range)
            // logits = normed·Eᵀ + bias
            linearBackward(
                dx: g, dweight: gradients.decoder, dbias: gradients.headBias, dy: logits, x: w.normed.rows(range),
                weight: weights.decoder, precision: precision)
            // normed = LN(gelu(input·Wᵀ + b))
            layerNormBackward(
                dx: g, dweight: gradients.headNorm.weight, dbias: gradients.headNorm.bias, dy: g, x: w.gelu.rows(range),
                mean: w.mean, rstd: w.rstd, weight: weights.headNorm.weight)
            geluBackward(dx: g, dy: g, x: w.preGELU.rows(range))
            let dinput = w.normed.rows(range)
            linearBackward(
                dx: dinput, dweight: gradients.headDense.weight, dbias: gradients.headDense.bias, dy: g,
                x: w.input.rows(range), weight: weights.headDense.weight, precision: precision)
            for (from, to) in rows[chunk].enumerated() {
                add(Vector(dx.row(to), count: dx.columns), Vector(dinput.row(from), count: dx.columns))
            }
        }
        return sums
    }
}
