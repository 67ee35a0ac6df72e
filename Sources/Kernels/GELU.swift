import CKernels

/// x += b, y = gelu(x): the exact form x·Φ(x), as `torch.nn.GELU()`. Overwrites `y`; keeps x + b in `x` for the way back.
/// - Parameters:
///   - y, x: `[tokens, features]`
///   - bias: `[features]`
public func biasGELUForward(_ y: Matrix, x: Matrix, bias: Vector) {
    checked(x.rows == y.rows && x.columns == y.columns && x.columns == bias.count)
    Tiles.forEach(x.rows, size: Tiles.rows(ofColumns: x.columns)) { tile in
        for row in tile { kb_bias_gelu(y.row(row), x.row(row), bias.base, x.columns) }
    }
}

/// dx = dy·gelu′(x), where `x` is what `biasGELUForward` kept. May be in place.
/// - Parameters:
///   - dx, dy, x: `[tokens, features]`
public func geluBackward(dx: Matrix, dy: Matrix, x: Matrix) {
    checked(x.rows == dy.rows && x.columns == dy.columns && dx.rows == x.rows && dx.columns == x.columns)
    Tiles.forEach(x.rows, size: Tiles.rows(ofColumns: x.columns)) { tile in
        for row in tile { kb_gelu_backward(dx.row(row), dy.row(row), x.row(row), x.columns) }
    }
}
