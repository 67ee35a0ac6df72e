import CKernels
import Parallel

/// Computes y[i] = words[ids[i]] + positionTable[positions[i]] + types, the input of RoBERTa's first LayerNorm.
/// Overwrites `y`.
/// - Parameters:
///   - y: `[tokens, hidden]`
///   - words: `[vocab, hidden]`; positionTable: `[positions, hidden]`; types: `[hidden]`
///   - ids, positions: `[tokens]`, valid row indices of the tables
public func embeddingForward(
    _ y: Matrix, ids: [Int32], positions: [Int32], words: Matrix, positionTable: Matrix, types: Vector
) {
    checked(ids.count == y.rows && positions.count == y.rows && y.columns == words.columns)
    checked(ids.allSatisfy { $0 >= 0 && $0 < words.rows }, "embeddingForward: token id outside the vocabulary")
    checked(positions.allSatisfy { $0 >= 0 && $0 < positionTable.rows }, "embeddingForward: position out of range")
    Tiles.forEach(y.rows, size: Tiles.rows(ofColumns: y.columns)) { tile in
        for row in tile {
            let out = y.row(row)
            out.update(from: words.row(Int(ids[row])), count: y.columns)
            kb_add(out, positionTable.row(Int(positions[row])), y.columns)
            kb_add(out, types.base, y.columns)
        }
    }
}

/// Adds `dy` to the gradients of the table rows that `embeddingForward` read. As in `torch.nn.Embedding(padding_idx:)`,
/// the row of `padding` receives no gradient.
/// - Parameter dy: `[tokens, hidden]`
public func embeddingBackward(
    dwords: Matrix, dpositions: Matrix, dtypes: Vector, dy: Matrix, ids: [Int32], positions: [Int32], padding: Int32
) {
    checked(ids.count == dy.rows && positions.count == dy.rows)
    // Split by columns: two tokens may share a row, and each sum must be taken in token order.
    Tiles.forEach(dy.columns, size: 64) { part in
        let at = part.lowerBound
        for row in 0..<dy.rows {
            let source = dy.row(row) + at
            if ids[row] != padding { kb_add(dwords.row(Int(ids[row])) + at, source, part.count) }
            if positions[row] != padding { kb_add(dpositions.row(Int(positions[row])) + at, source, part.count) }
        }
        kb_add_rows(dtypes.base + at, dy.base + at, dy.rows, part.count, dy.stride)
    }
}
