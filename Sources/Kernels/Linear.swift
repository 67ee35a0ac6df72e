import CKernels

/// Computes y = x·Wᵀ, as `torch.nn.Linear` without bias (the next kernel adds the bias). Overwrites `y`.
/// - Parameters:
///   - y: `[tokens, outFeatures]`
///   - x: `[tokens, inFeatures]`
///   - weight: `[outFeatures, inFeatures]`
public func linearForward(_ y: Matrix, x: Matrix, weight: Matrix, precision: Precision = .float32) {
    matrixProduct(y, x, .asIs, weight, .transposed, precision: precision)
}

/// Backward pass of y = x·Wᵀ + b. Adds to `dweight` and `dbias`; overwrites `dx` or adds to it.
/// - Parameters:
///   - dx: `[tokens, inFeatures]`
///   - dy: `[tokens, outFeatures]`
///   - addToInput: whether to add to `dx`, which already holds a gradient, instead of overwriting it
public func linearBackward(
    dx: Matrix, dweight: Matrix, dbias: Vector, dy: Matrix, x: Matrix, weight: Matrix, addToInput: Bool = false,
    precision: Precision = .float32
) {
    // y = x·Wᵀ  ⇒  dx = dy·W,  dW = dyᵀ·x
    matrixProduct(dx, dy, .asIs, weight, .asIs, beta: addToInput ? 1 : 0, precision: precision)
    matrixProduct(dweight, dy, .transposed, x, .asIs, beta: 1, precision: precision)
    biasBackward(dbias, dy: dy)
}

/// Computes x += b for every row.
/// - Parameters:
///   - x: `[tokens, features]`
///   - bias: `[features]`
public func addBias(_ x: Matrix, _ bias: Vector) {
    checked(x.columns == bias.count)
    Tiles.forEach(x.rows, size: Tiles.rows(ofColumns: x.columns)) { tile in
        for row in tile { kb_add_bias(x.row(row), bias.base, x.columns) }
    }
}

/// Computes dbias += Σ dy over the tokens.
/// - Parameter dy: `[tokens, features]`
public func biasBackward(_ dbias: Vector, dy: Matrix) {
    checked(dy.columns == dbias.count)
    // Split by columns, so that every sum is taken in row order regardless of which thread computes it.
    Tiles.forEach(dy.columns, size: 256) { part in
        kb_add_rows(dbias.base + part.lowerBound, dy.base + part.lowerBound, dy.rows, part.count, dy.stride)
    }
}

/// Computes y += x.
public func add(_ y: Vector, _ x: Vector) {
    checked(y.count == x.count)
    kb_add(y.base, x.base, y.count)
}
