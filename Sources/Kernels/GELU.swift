import CKernels

/// Computes x += b, y = gelu(x), using the exact form x·Φ(x) as in `torch.nn.GELU()`. Overwrites `y`; leaves x + b in
/// `x` for the backward pass.
/// - Parameters:
///   - y, x: `[tokens, features]`
///   - bias: `[features]`
public func biasGELUForward(_ y: Matrix, x: Matrix, bias: Vector) {
    checked(x.rows == y.rows && x.columns == y.columns && x.columns == bias.count)
    Tiles.forEach(x.rows, size: Tiles.rows(ofColumns: x.columns)) { tile in
        for row in tile { kb_bias_gelu(y.row(row), x.row(row), bias.base, x.columns) }
    }
}

/// Computes dx = dy·gelu′(x), where `x` holds the value that `biasGELUForward` left there. `dx` may alias `dy`.
/// - Parameters:
///   - dx, dy, x: `[tokens, features]`
public func geluBackward(dx: Matrix, dy: Matrix, x: Matrix) {
    checked(x.rows == dy.rows && x.columns == dy.columns && dx.rows == x.rows && dx.columns == x.columns)
    Tiles.forEach(x.rows, size: Tiles.rows(ofColumns: x.columns)) { tile in
        for row in tile { kb_gelu_backward(dx.row(row), dy.row(row), x.row(row), x.columns) }
    }
}
