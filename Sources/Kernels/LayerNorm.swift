import CKernels

/// Computes y = (x − mean)·rstd·weight + bias for each row, as `torch.nn.LayerNorm`. Overwrites `y`, `mean` and `rstd`.
/// - Parameters:
///   - y, x: `[tokens, features]`
///   - mean, rstd: `[tokens]`, saved for the backward pass
///   - weight, bias: `[features]`
public func layerNormForward(
    _ y: Matrix, mean: Vector, rstd: Vector, x: Matrix, weight: Vector, bias: Vector, epsilon: Float
) {
    checked(x.rows == y.rows && x.columns == y.columns && weight.count == x.columns && bias.count == x.columns)
    checked(mean.count >= x.rows && rstd.count >= x.rows)
    Tiles.forEach(x.rows, size: Tiles.rows(ofColumns: x.columns)) { tile in
        for row in tile {
            kb_layer_norm(
                y.row(row), mean.base + row, rstd.base + row, x.row(row), weight.base, bias.base, x.columns, epsilon)
        }
    }
}

/// Backward pass of `layerNormForward`. Overwrites `dx`; adds to `dweight` and `dbias`.
/// - Parameters:
///   - dx, dy, x: `[tokens, features]`; `dx` may alias `dy`
public func layerNormBackward(
    dx: Matrix, dweight: Vector, dbias: Vector, dy: Matrix, x: Matrix, mean: Vector, rstd: Vector, weight: Vector
) {
    checked(x.rows == dy.rows && x.columns == dy.columns && dx.rows == x.rows && dx.columns == x.columns)
    checked(x.stride == dy.stride, "layerNormBackward: x has stride \(x.stride), dy has stride \(dy.stride)")
    Tiles.forEach(x.columns, size: 128) { part in
        let at = part.lowerBound
        kb_layer_norm_parameters_backward(
            dweight.base + at, dbias.base + at, dy.base + at, x.base + at, mean.base, rstd.base, x.rows, part.count,
            x.stride)
    }
    Tiles.forEach(x.rows, size: Tiles.rows(ofColumns: x.columns)) { tile in
        for row in tile {
            kb_layer_norm_backward(
                dx.row(row), dy.row(row), x.row(row), weight.base, mean.base[row], rstd.base[row], x.columns)
        }
    }
}
