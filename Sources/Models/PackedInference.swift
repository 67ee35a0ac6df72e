import Kernels

/// Accumulation orders of a pass: for all tokens up to the last attention, and for the scored rows after it.
public struct SumOrders: Sendable, Equatable {
    public var tokens: AccumulationOrder
    public var rows: AccumulationOrder

    /// Selects the faster orders for the given numbers of rows.
    public init(tokens: Int, rows: Int) {
        self.tokens = AccumulationOrder(rows: tokens)
        self.rows = AccumulationOrder(rows: rows)
    }
}

extension PackedModel {
    /// Computes logits of selected tokens of a batch.
    /// - Parameters: as for `forEachLogits`
    /// - Returns: `[rows.count, vocabSize]`
    public func logits(
        inputIDs: [Int32], sequenceOffsets: [Int], rows: [Int], orders: SumOrders? = nil
    ) -> [Float] {
        var result: [Float] = []
        result.reserveCapacity(rows.count * configuration.vocabSize)
        forEachLogits(inputIDs: inputIDs, sequenceOffsets: sequenceOffsets, rows: rows, orders: orders) { _, logits in
            result.append(
                contentsOf: UnsafeBufferPointer(start: logits.base, count: logits.rows * configuration.vocabSize))
        }
        return result
    }

    /// Computes logits of selected tokens of a batch, some rows at a time.
    /// - Parameters:
    ///   - inputIDs: token ids of all sequences, concatenated
    ///   - sequenceOffsets: start of each sequence and the end; no sequence
    ///     is longer than `configuration.longestSequence`
    ///   - rows: indices into `inputIDs`
    ///   - orders: nil selects the fastest. With the orders that a sequence would use alone, its result is
    ///     bit-identical to the result of running it alone.
    ///   - pause: called between parts of layers and of the head, every few milliseconds of work
    ///   - body: receives consecutive ranges of `rows` and their logits, `[range.count, vocabSize]`, which are valid
    ///     only during the call
    public func forEachLogits(
        inputIDs: [Int32], sequenceOffsets: [Int], rows: [Int], orders: SumOrders? = nil, pause: () -> Void = {},
        _ body: (Range<Int>, Matrix) -> Void
    ) {
        guard !rows.isEmpty else { return }
        let orders = orders ?? SumOrders(tokens: inputIDs.count, rows: rows.count)
        // At most 6.7 MB of logits at a time with a vocabulary of 52,000: other requests wait while a chunk is computed.
        let scored = min(rows.count, max(PackedModel.largestBatch, 1_665_000 / configuration.vocabSize))
        // A token may be requested more than once.
        let w = PackedWorkspace(configuration, tokens: max(inputIDs.count, rows.count), scored: scored)
        encode(w, inputIDs, SequenceOffsets(sequenceOffsets), rows: rows, orders, pause)
        for first in stride(from: 0, to: rows.count, by: scored) {
            let count = min(scored, rows.count - first)
            if first > 0 {
                pause()
                w.x.base.update(from: w.x.row(first), count: count * w.x.columns)
            }
            body(first..<first + count, head(w, rows: count, orders.rows))
        }
    }

    /// Computes the mean of the last layer's output over the tokens of each sequence.
    /// - Parameters: as for `forEachLogits`
    /// - Returns: `[sequences, hiddenSize]`
    public func meanOutputs(
        inputIDs: [Int32], sequenceOffsets: [Int], orders: SumOrders? = nil, pause: () -> Void = {}
    ) -> [Float] {
        let tokens = inputIDs.count
        let w = PackedWorkspace(configuration, tokens: tokens, scored: 1)
        let sequences = SequenceOffsets(sequenceOffsets)
        encode(w, inputIDs, sequences, rows: nil, orders ?? SumOrders(tokens: tokens, rows: tokens), pause)
        var means: [Float] = []
        means.reserveCapacity(sequences.count * configuration.hiddenSize)
        for sequence in 0..<sequences.count {
            let range = sequences.range(sequence)
            for column in 0..<configuration.hiddenSize {
                let sum = range.reduce(0.0) { $0 + Double(w.x.row($1)[column]) }
                means.append(Float(sum / Double(range.count)))
            }
        }
        return means
    }

    /// Computes the last layer's output of the given rows, or of all tokens, into the first rows of `w.x`.
    private func encode(
        _ w: PackedWorkspace, _ ids: [Int32], _ sequences: SequenceOffsets, rows: [Int]?, _ orders: SumOrders,
        _ pause: () -> Void
    ) {
        let tokens = ids.count
        let shape = AttentionShape(
            sequences: sequences, heads: configuration.numAttentionHeads, causal: configuration.isDecoder)
        let scores = Arena(bytes: 4 * shape.scoreCount)
        let probabilities = scores.take(Float.self, shape.scoreCount)
        let places = (0..<sequences.count).flatMap { sequence in
            (0..<sequences.range(sequence).count).map { Int32($0) + RobertaConfiguration.firstPosition }
        }
        embed(w, ids: ids, positions: places)
        for (index, layer) in layers.enumerated() {
            layer.project(w, rows: tokens, orders.tokens)
            attentionForward(
                w.context.rows(0..<tokens), qkv: w.qkv.rows(0..<tokens), probabilities: probabilities, shape, mask: nil,
                scale: 1)
            pause()
            let wanted = index == layers.count - 1 ? rows : nil
            if let wanted { keepRows(w, wanted) }
            layer.finish(w, rows: wanted?.count ?? tokens, wanted == nil ? orders.tokens : orders.rows, pause: pause)
            pause()
        }
    }

    /// Moves the wanted rows to the front: nothing after the last attention reads any other row.
    private func keepRows(_ w: PackedWorkspace, _ rows: [Int]) {
        let columns = w.x.columns
        for (matrix, scratch) in [(w.x, w.sum), (w.context, w.attentionOutput)] {
            for (to, from) in rows.enumerated() { scratch.row(to).update(from: matrix.row(from), count: columns) }
            matrix.base.update(from: scratch.base, count: rows.count * columns)
        }
    }
}

extension PackedModel {
    /// Maximum number of sequences decoded in one step.
    public static let largestBatch = 16

    /// Creates an empty cache for one sequence.
    /// - Parameter capacity: maximum number of tokens, at most `configuration.longestSequence`
    public func makeKeyValueCache(
        capacity: Int, firstPosition: Int32 = RobertaConfiguration.firstPosition
    ) -> KeyValueCache {
        KeyValueCache(configuration, capacity: capacity, firstPosition: firstPosition)
    }

    /// Appends the tokens of a prompt, or of a part of it, to the sequence in `cache`.
    /// - Parameters:
    ///   - ids: at least one token, at most the remaining capacity of `cache`
    ///   - isLast: whether to compute logits
    ///   - pause: called between parts of layers
    /// - Returns: the logits that follow the last token, `[vocabSize]`; empty if `isLast` is false
    public func prefill(
        _ ids: [Int32], cache: KeyValueCache, isLast: Bool = true, pause: () -> Void = {}
    ) -> [Float] {
        let w = PackedWorkspace(configuration, tokens: ids.count, scored: 1)
        pass(
            w, ids: ids, parts: [(cache, ids.count)], wanted: isLast ? [ids.count - 1] : [],
            order: AccumulationOrder(rows: ids.count), pause: pause)
        guard isLast else { return [] }
        return Array(UnsafeBufferPointer(start: head(w, rows: 1, .straight).base, count: configuration.vocabSize))
    }

    /// Appends one or a few tokens to each of several sequences.
    ///
    /// The results are bit-identical to decoding the sequences one by one, but the weights are read only once.
    /// - Parameters:
    ///   - batch: at most `largestBatch` sequences, each with at most `AccumulationOrder.straightRows` tokens and with a
    ///     cache that occurs once and has room for them
    ///   - pause: called between parts of layers
    /// - Returns: next-token logits of each sequence, `[batch.count, vocabSize]`, in the decoder's memory
    public func decode(
        _ batch: [(ids: [Int32], cache: KeyValueCache)], in decoder: DecodeWorkspace, pause: () -> Void = {}
    ) -> Matrix {
        checked(decoder.configuration == configuration && (1...PackedModel.largestBatch).contains(batch.count))
        checked(batch.allSatisfy { $0.ids.count <= AccumulationOrder.straightRows })
        let w = decoder.workspace
        var (ids, last): ([Int32], [Int]) = ([], [])
        for part in batch {
            ids += part.ids
            last.append(ids.count - 1)
        }
        pass(w, ids: ids, parts: batch.map { ($0.cache, $0.ids.count) }, wanted: last, order: .straight, pause: pause)
        return head(w, rows: batch.count, .straight)
    }

    /// Runs all layers on the next tokens of several sequences.
    /// - Parameters:
    ///   - parts: the cache of each sequence and the number of its tokens in `ids`
    ///   - wanted: the rows to move to the beginning of `w.x`; they are accumulated in the order of a single row
    ///   - order: the accumulation order of all other rows
    private func pass(
        _ w: PackedWorkspace, ids: [Int32], parts: [(cache: KeyValueCache, count: Int)], wanted: [Int],
        order: AccumulationOrder, pause: () -> Void
    ) {
        checked(configuration.isDecoder, "decode: the model is not causal")
        var (places, ranges): ([Int32], [Range<Int>]) = ([], [])
        for (cache, count) in parts {
            checked(count >= 1 && cache.count + count <= cache.capacity)
            ranges.append(places.count..<places.count + count)
            places += (0..<count).map { Int32(cache.count + $0) + cache.firstPosition }
        }
        let hidden = configuration.hiddenSize
        embed(w, ids: ids, positions: places)
        for (index, layer) in layers.enumerated() {
            layer.project(w, rows: ids.count, order)
            var sequences: [DecodedAttention] = []
            for ((cache, count), rows) in zip(parts, ranges) {
                let added = w.qkv.rows(rows)
                for row in 0..<count {
                    cache.keys[index].row(cache.count + row).update(from: added.row(row) + hidden, count: hidden)
                    cache.values[index].row(cache.count + row).update(from: added.row(row) + 2 * hidden, count: hidden)
                }
                let seen = 0..<cache.count + count
                sequences.append(
                    DecodedAttention(
                        out: w.context.rows(rows), q: added.columns(0..<hidden), k: cache.keys[index].rows(seen),
                        v: cache.values[index].rows(seen)))
            }
            let isLast = index == layers.count - 1
            if isLast && wanted.isEmpty { break }
            attentionDecode(sequences, heads: configuration.numAttentionHeads)
            pause()
            if isLast && wanted.count < ids.count { keepRows(w, wanted) }
            layer.finish(w, rows: isLast ? wanted.count : ids.count, isLast ? .straight : order, pause: pause)
            pause()
        }
        for (cache, count) in parts { cache.count += count }
    }
}

/// Memory for `PackedModel.decode`, reused across steps. Not safe for concurrent use.
public final class DecodeWorkspace: @unchecked Sendable {
    // @unchecked: the task that runs the steps owns it.
    let configuration: RobertaConfiguration
    let workspace: PackedWorkspace

    public init(_ model: PackedModel) {
        configuration = model.configuration
        workspace = PackedWorkspace(
            model.configuration, tokens: PackedModel.largestBatch * AccumulationOrder.straightRows,
            scored: PackedModel.largestBatch)
    }
}
