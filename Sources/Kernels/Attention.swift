import CKernels
import Parallel

/// Boundaries of sequences packed without padding: sequence `s` is tokens `offsets[s]..<offsets[s + 1]`.
public struct SequenceOffsets: Sendable, Equatable {
    public let offsets: [Int]
    /// Offset of each sequence's score matrix (length²) within the scores of one head.
    let squares: [Int]

    /// - Parameter offsets: non-decreasing, starting at 0; one more element than there are sequences
    public init(_ offsets: [Int]) {
        checked(offsets.first == 0 && zip(offsets, offsets.dropFirst()).allSatisfy { $0 <= $1 })
        self.offsets = offsets
        var squares = [0]
        for (from, to) in zip(offsets, offsets.dropFirst()) {
            squares.append(squares.last! + (to - from) * (to - from))
        }
        self.squares = squares
    }

    public var count: Int { offsets.count - 1 }
    public var tokens: Int { offsets.last! }
    /// Σ length², the number of attention scores of one head.
    public var squaredTokens: Int { squares.last! }
    public func range(_ sequence: Int) -> Range<Int> { offsets[sequence]..<offsets[sequence + 1] }
}

/// Attention parameters other than the tensors.
public struct AttentionShape {
    public let sequences: SequenceOffsets
    public let heads: Int
    /// Whether each token attends only to itself and to earlier tokens.
    public let causal: Bool

    public init(sequences: SequenceOffsets, heads: Int, causal: Bool) {
        self.sequences = sequences
        self.heads = heads
        self.causal = causal
    }

    /// Number of elements in `probabilities`.
    public var scoreCount: Int { heads * sequences.squaredTokens }

    func scores(_ sequence: Int, _ head: Int) -> Int {
        heads * sequences.squares[sequence] + head * (sequences.squares[sequence + 1] - sequences.squares[sequence])
    }
}

/// Computes scaled dot-product attention within each sequence, per head: out = dropout(softmax(q·kᵀ/√d))·v.
/// Overwrites `out`.
/// - Parameters:
///   - out: `[tokens, hidden]`
///   - qkv: `[tokens, 3·hidden]`, query, key and value concatenated along the columns
///   - probabilities: `[heads · Σ length²]`, the softmax before dropout, saved for the backward pass
///   - mask: same shape as `probabilities`; nil disables dropout
public func attentionForward(
    _ out: Matrix, qkv: Matrix, probabilities: UnsafeMutablePointer<Float>, _ shape: AttentionShape,
    mask: UnsafePointer<UInt8>?, scale dropoutScale: Float
) {
    let hidden = out.columns
    let width = hidden / shape.heads
    checked(qkv.columns == 3 * hidden && width * shape.heads == hidden && out.rows == shape.sequences.tokens)
    let scale = 1 / Float(width).squareRoot()
    ThreadPool.shared.forEach(shape.sequences.count * shape.heads) { task in
        let (sequence, head) = task.quotientAndRemainder(dividingBy: shape.heads)
        let tokens = shape.sequences.range(sequence)
        let n = tokens.count
        let (q, k, v) = headViews(qkv, tokens, head, width, hidden)
        let at = shape.scores(sequence, head)
        let probs = Matrix(probabilities + at, rows: n, columns: n)
        serialProduct(probs, q, .asIs, k, .transposed, inner: width, beta: 0)
        for row in 0..<n {
            let seen = shape.causal ? row + 1 : n
            kb_softmax(probs.row(row), seen, scale)
            if seen < n { (probs.row(row) + seen).update(repeating: 0, count: n - seen) }
        }
        let result = out.rows(tokens).columns(head * width..<(head + 1) * width)
        guard let mask else {
            serialProduct(result, probs, .asIs, v, .asIs, inner: n, beta: 0)
            return
        }
        withUnsafeTemporaryAllocation(of: Float.self, capacity: n * n) { kept in
            kb_mask(kept.baseAddress!, probs.base, mask + at, dropoutScale, n * n)
            let kept = Matrix(kept.baseAddress!, rows: n, columns: n)
            serialProduct(result, kept, .asIs, v, .asIs, inner: n, beta: 0)
        }
    }
}

/// Backward pass of `attentionForward`. Overwrites `dqkv`.
/// - Parameters:
///   - dqkv: `[tokens, 3·hidden]`
///   - dout: `[tokens, hidden]`
public func attentionBackward(
    dqkv: Matrix, dout: Matrix, qkv: Matrix, probabilities: UnsafeMutablePointer<Float>, _ shape: AttentionShape,
    mask: UnsafePointer<UInt8>?, scale dropoutScale: Float
) {
    let hidden = dout.columns
    let width = hidden / shape.heads
    let scale = 1 / Float(width).squareRoot()
    ThreadPool.shared.forEach(shape.sequences.count * shape.heads) { task in
        let (sequence, head) = task.quotientAndRemainder(dividingBy: shape.heads)
        let tokens = shape.sequences.range(sequence)
        let n = tokens.count
        let (q, k, v) = headViews(qkv, tokens, head, width, hidden)
        let (dq, dk, dv) = headViews(dqkv, tokens, head, width, hidden)
        let at = shape.scores(sequence, head)
        let probs = Matrix(probabilities + at, rows: n, columns: n)
        let dresult = dout.rows(tokens).columns(head * width..<(head + 1) * width)
        withUnsafeTemporaryAllocation(of: Float.self, capacity: n * n) { buffer in
            let scratch = Matrix(buffer.baseAddress!, rows: n, columns: n)
            // result = kept·v  ⇒  dv = keptᵀ·dresult
            if let mask {
                kb_mask(scratch.base, probs.base, mask + at, dropoutScale, n * n)
                serialProduct(dv, scratch, .transposed, dresult, .asIs, inner: n, beta: 0)
            } else {
                serialProduct(dv, probs, .transposed, dresult, .asIs, inner: n, beta: 0)
            }
            // dkept = dresult·vᵀ, followed by the backward pass of dropout and softmax
            serialProduct(scratch, dresult, .asIs, v, .transposed, inner: width, beta: 0)
            if let mask { kb_mask(scratch.base, scratch.base, mask + at, dropoutScale, n * n) }
            for row in 0..<n {
                let seen = shape.causal ? row + 1 : n
                kb_softmax_backward(scratch.row(row), probs.row(row), scratch.row(row), seen, scale)
                if seen < n { (scratch.row(row) + seen).update(repeating: 0, count: n - seen) }
            }
            // scores = q·kᵀ  ⇒  dq = dscores·k,  dk = dscoresᵀ·q
            serialProduct(dq, scratch, .asIs, k, .asIs, inner: n, beta: 0)
            serialProduct(dk, scratch, .transposed, q, .asIs, inner: n, beta: 0)
        }
    }
}

/// The tensors of one sequence in `attentionDecode`.
public struct DecodedAttention {
    let out: Matrix
    let q: Matrix
    let k: Matrix
    let v: Matrix

    /// - Parameters:
    ///   - out: `[new, hidden]`
    ///   - q: `[new, hidden]`, the queries of the sequence's last `new` tokens
    ///   - k, v: `[total, hidden]`, including the new tokens
    public init(out: Matrix, q: Matrix, k: Matrix, v: Matrix) {
        checked(out.rows == q.rows && out.columns == q.columns && k.columns == q.columns && v.columns == q.columns)
        checked(q.rows <= k.rows && v.rows == k.rows)
        self.out = out
        self.q = q
        self.k = k
        self.v = v
    }
}

/// Computes attention of a sequence's new tokens over all of its tokens, using cached keys
/// and values. Overwrites `out`.
public func attentionDecode(_ out: Matrix, q: Matrix, k: Matrix, v: Matrix, heads: Int) {
    attentionDecode([DecodedAttention(out: out, q: q, k: k, v: v)], heads: heads)
}

/// Computes `attentionDecode` for several sequences; each result is independent of the other sequences.
public func attentionDecode(_ sequences: [DecodedAttention], heads: Int) {
    ThreadPool.shared.forEach(sequences.count * heads) { task in
        let (index, head) = task.quotientAndRemainder(dividingBy: heads)
        let sequence = sequences[index]
        let width = sequence.q.columns / heads
        attend(sequence, columns: head * width..<(head + 1) * width)
    }
}

/// Computes one attention head of one sequence.
private func attend(_ sequence: DecodedAttention, columns: Range<Int>) {
    let (out, q) = (sequence.out.columns(columns), sequence.q.columns(columns))
    let (k, v) = (sequence.k.columns(columns), sequence.v.columns(columns))
    let (new, total) = (q.rows, k.rows)
    let scale = 1 / Float(columns.count).squareRoot()
    withUnsafeTemporaryAllocation(of: Float.self, capacity: new * total) { buffer in
        let probs = Matrix(buffer.baseAddress!, rows: new, columns: total)
        guard new > 1 else {
            kb_attention_scores(probs.base, q.base, k.base, k.stride, total, columns.count)
            kb_softmax(probs.base, total, scale)
            kb_attention_sum(out.base, probs.base, v.base, v.stride, total, columns.count)
            return
        }
        serialProduct(probs, q, .asIs, k, .transposed, inner: columns.count, beta: 0)
        for row in 0..<new {
            let seen = total - new + row + 1
            kb_softmax(probs.row(row), seen, scale)
            if seen < total { (probs.row(row) + seen).update(repeating: 0, count: total - seen) }
        }
        serialProduct(out, probs, .asIs, v, .asIs, inner: total, beta: 0)
    }
}

@inline(__always)
private func headViews(
    _ qkv: Matrix, _ tokens: Range<Int>, _ head: Int, _ width: Int, _ hidden: Int
) -> (q: Matrix, k: Matrix, v: Matrix) {
    let rows = qkv.rows(tokens)
    let at = head * width
    return (
        rows.columns(at..<at + width), rows.columns(hidden + at..<hidden + at + width),
        rows.columns(2 * hidden + at..<2 * hidden + at + width)
    )
}
