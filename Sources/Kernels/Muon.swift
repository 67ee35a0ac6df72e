import CKernels

/// Hyperparameters of one Muon step (Jordan et al. 2024), as `torch.optim.Muon` with Nesterov momentum.
public struct MuonStep: Sendable {
    public var learningRate: Double
    public var momentum: Double
    /// Decoupled weight decay: each parameter is multiplied by 1 − learningRate · weightDecay.
    public var weightDecay: Double
    /// Factor applied to the gradient first; implements gradient clipping.
    public var gradientScale: Double

    public init(learningRate: Double, momentum: Double, weightDecay: Double, gradientScale: Double) {
        self.learningRate = learningRate
        self.momentum = momentum
        self.weightDecay = weightDecay
        self.gradientScale = gradientScale
    }
}

/// Applies one Muon step: updates the momentum and moves the parameters along the nearest orthogonal matrix to it.
///
/// The orthogonal matrix is scaled by 0.2 · √max(rows, columns), which gives the update about the same root mean square
/// as AdamW's, so that one learning rate works for both (Liu et al. 2025, "Muon is Scalable for LLM Training";
/// `adjust_lr_fn="match_rms_adamw"`).
/// - Parameters:
///   - parameters, gradients, momentumBuffer: `[rows, columns]`, contiguous
///   - precision: precision of the matrix products
public func muonUpdate(
    parameters: Matrix, gradients: Matrix, momentumBuffer: Matrix, _ step: MuonStep, precision: Precision
) {
    let (rows, columns) = (parameters.rows, parameters.columns)
    checked(parameters.stride == columns && gradients.stride == columns && momentumBuffer.stride == columns)
    let count = rows * columns
    withScratch(rows: rows, columns: columns) { update, spare in
        Tiles.forEach(count, size: 1 << 15) { part in
            let at = part.lowerBound
            kb_muon_momentum(
                update.base + at, gradients.base + at, momentumBuffer.base + at, part.count, Float(step.momentum),
                Float(step.gradientScale))
        }
        let orthogonal = orthogonalize(update, spare, precision: precision)
        let keep = Float(1 - step.learningRate * step.weightDecay)
        let length = Float(step.learningRate * 0.2 * Double(max(rows, columns)).squareRoot())
        Tiles.forEach(count, size: 1 << 15) { part in
            kb_scale_add(
                parameters.base + part.lowerBound, keep, orthogonal.base + part.lowerBound, -length, part.count)
        }
    }
}

/// Returns the bytes of scratch memory that `muonUpdate` uses, excluding those of its matrix products.
public func muonScratchBytes(rows: Int, columns: Int) -> Int {
    let size = min(rows, columns)
    return 2 * 4 * (rows * columns + size * size)
}

/// Approximates U·Vᵀ, where x = U·Σ·Vᵀ, by Newton–Schulz iteration: five rounds of the quintic of `torch.optim.Muon`,
/// after which the singular values lie between about 0.7 and 1.2.
/// - Parameters:
///   - x: `[rows, columns]`; overwritten
///   - spare: a buffer of the same shape as `x`; overwritten
/// - Returns: `x` or `spare`, whichever holds the result
func orthogonalize(_ x: Matrix, _ spare: Matrix, precision: Precision) -> Matrix {
    let (a, b, c): (Float, Float, Float) = (3.4445, -4.7750, 2.0315)
    let norm = squaredNorm(x.base, count: x.rows * x.columns).squareRoot()
    scale(x, by: Float(1 / max(norm, 1e-7)))
    let isWide = x.rows <= x.columns
    let size = min(x.rows, x.columns)
    var (x, next) = (x, spare)
    withScratch(rows: size, columns: size) { gram, polynomial in
        for _ in 0..<5 {
            // x ← (a·I + b·G + c·G²)·x with G = x·xᵀ; if x is tall, G = xᵀ·x multiplies from the right
            symmetricProduct(gram, x, isWide ? .asIs : .transposed, precision: precision)
            symmetricProduct(polynomial, gram, .asIs, precision: precision)
            Tiles.forEach(size, size: Tiles.rows(ofColumns: size)) { tile in
                for row in tile {
                    kb_scale_add(polynomial.row(row), c, gram.row(row), b, size)
                    polynomial.row(row)[row] += a
                }
            }
            if isWide {
                matrixProduct(next, polynomial, .asIs, x, .asIs, precision: precision)
            } else {
                matrixProduct(next, x, .asIs, polynomial, .asIs, precision: precision)
            }
            swap(&x, &next)
        }
    }
    return x
}

/// Computes c = x·xᵀ, or c = xᵀ·x if `form` is `.transposed`. Computes one triangle and mirrors it. Overwrites `c`.
private func symmetricProduct(_ c: Matrix, _ x: Matrix, _ form: Transposition, precision: Precision) {
    let block = 192
    for first in stride(from: 0, to: c.rows, by: block) {
        let last = min(first + block, c.rows)
        let part = c.rows(first..<last).columns(0..<last)
        if form == .asIs {
            matrixProduct(part, x.rows(first..<last), .asIs, x.rows(0..<last), .transposed, precision: precision)
        } else {
            matrixProduct(part, x.columns(first..<last), .transposed, x.columns(0..<last), .asIs, precision: precision)
        }
    }
    // Mirrors 32 × 32 blocks, so that source and destination fit in the L1 cache.
    Tiles.forEach(c.rows, size: 32) { tile in
        for first in stride(from: tile.lowerBound, to: c.rows, by: 32) {
            for row in tile {
                for column in max(first, row + 1)..<max(min(first + 32, c.rows), row + 1) {
                    c.row(row)[column] = c.row(column)[row]
                }
            }
        }
    }
}

private func scale(_ x: Matrix, by factor: Float) {
    Tiles.forEach(x.rows * x.columns, size: 1 << 15) { part in
        kb_scale_add(x.base + part.lowerBound, factor, x.base + part.lowerBound, 0, part.count)
    }
}

private func withScratch(rows: Int, columns: Int, _ body: (Matrix, Matrix) -> Void) {
    let count = (rows * columns + 15) & ~15
    Scratch.with(bytes: 2 * count * MemoryLayout<Float>.stride) { base in
        let base = base.assumingMemoryBound(to: Float.self)
        body(Matrix(base, rows: rows, columns: columns), Matrix(base + count, rows: rows, columns: columns))
    }
}
