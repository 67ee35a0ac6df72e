import Kernels

/// The orders of sums of a pass: of all tokens up to the last attention, and of those whose logits are wanted behind it.
public struct SumOrders: Sendable, Equatable {
    public var tokens: SumOrder
    public var rows: SumOrder

    /// The faster ones for so many.
    public init(tokens: Int, rows: Int) {
        self.tokens = SumOrder(rows: tokens)
        self.rows = SumOrder(rows: rows)
    }
}

extension PackedModel {
    /// Logits of chosen tokens of a batch.
    /// - Parameters:
    ///   - inputIDs: all sequences in one row, ids of the vocabulary
    ///   - sequenceOffsets: where each begins, and the end; none longer than `configuration.longestSequence`
    ///   - rows: indexes into `inputIDs`
    ///   - orders: nil are the fastest; with those of a sequence alone, it gets what it gets alone, bit for bit
    ///   - pause: called between layers and between parts of the head, some milliseconds of work apart
    /// - Returns: `[rows.count, vocabSize]`
    public func logits(
        inputIDs: [Int32], sequenceOffsets: [Int], rows: [Int], orders: SumOrders? = nil, pause: () -> Void = {}
    ) -> [Float] {
        guard !rows.isEmpty else { return [] }
        let tokens = inputIDs.count
        let orders = orders ?? SumOrders(tokens: tokens, rows: rows.count)
        let shape = AttentionShape(
            sequences: SequenceOffsets(sequenceOffsets), heads: configuration.numAttentionHeads,
            causal: configuration.isDecoder)
        // At most 13 MB of logits at a time, for a vocabulary of 52,000: what one part of the head takes, others wait.
        let scored = min(rows.count, max(PackedModel.largestBatch, 3_330_000 / configuration.vocabSize))
        // A token may be asked for more than once.
        let w = PackedWorkspace(configuration, tokens: max(tokens, rows.count), scored: scored)
        let scores = Arena(bytes: 4 * shape.scoreCount)
        let probabilities = scores.take(Float.self, shape.scoreCount)
        let places = (0..<shape.sequences.count).flatMap { sequence in
            (0..<shape.sequences.range(sequence).count).map { Int32($0) + RobertaConfiguration.firstPosition }
        }
        embed(w, ids: inputIDs, positions: places)
        for (index, layer) in layers.enumerated() {
            layer.project(w, rows: tokens, orders.tokens)
            attentionForward(
                w.context.rows(0..<tokens), qkv: w.qkv.rows(0..<tokens), probabilities: probabilities, shape, mask: nil,
                scale: 1)
            let isLast = index == layers.count - 1
            if isLast { keepRows(w, rows) }
            layer.finish(w, rows: isLast ? rows.count : tokens, isLast ? orders.rows : orders.tokens)
            pause()
        }
        var result: [Float] = []
        result.reserveCapacity(rows.count * configuration.vocabSize)
        for first in stride(from: 0, to: rows.count, by: scored) {
            let count = min(scored, rows.count - first)
            if first > 0 {
                pause()
                w.x.base.update(from: w.x.row(first), count: count * w.x.columns)
            }
            let logits = head(w, rows: count, orders.rows)
            result.append(contentsOf: UnsafeBufferPointer(start: logits.base, count: count * configuration.vocabSize))
        }
        return result
    }

    /// Nothing behind the last attention looks at any other row: the wanted ones become the first.
    private func keepRows(_ w: PackedWorkspace, _ rows: [Int]) {
        let columns = w.x.columns
        for (matrix, scratch) in [(w.x, w.sum), (w.context, w.attentionOutput)] {
            for (to, from) in rows.enumerated() { scratch.row(to).update(from: matrix.row(from), count: columns) }
            matrix.base.update(from: scratch.base, count: rows.count * columns)
        }
    }
}

extension PackedModel {
    /// Sequences that one step decodes at most.
    public static let largestBatch = 16

    /// - Parameter capacity: tokens, at most `configuration.longestSequence`
    public func makeKeyValueCache(
        capacity: Int, firstPosition: Int32 = RobertaConfiguration.firstPosition
    ) -> KeyValueCache {
        KeyValueCache(configuration, capacity: capacity, firstPosition: firstPosition)
    }

    /// Appends the tokens of a prompt, or of a part of it, to the sequence in `cache`.
    /// - Parameters:
    ///   - ids: at least one, at most what `cache` has room for
    ///   - isLast: whether logits are wanted
    ///   - pause: called between layers
    /// - Returns: what is expected after the last token, `[vocabSize]`; without `isLast` nothing
    public func prefill(
        _ ids: [Int32], cache: KeyValueCache, isLast: Bool = true, pause: () -> Void = {}
    ) -> [Float] {
        let w = PackedWorkspace(configuration, tokens: ids.count, scored: 1)
        pass(
            w, ids: ids, parts: [(cache, ids.count)], wanted: isLast ? [ids.count - 1] : [],
            order: SumOrder(rows: ids.count), pause: pause)
        guard isLast else { return [] }
        return Array(UnsafeBufferPointer(start: head(w, rows: 1, .straight).base, count: configuration.vocabSize))
    }

    /// Appends a token, or a few, to each of several sequences.
    ///
    /// The same as one after the other, bit for bit, while the weights are read once for all.
    /// - Parameter batch: at most `largestBatch`; of each sequence at most `SumOrder.straightRows` tokens, and its cache once
    ///   and with room for them
    /// - Returns: what each sequence expects next, `[batch.count, vocabSize]`, in the decoder's memory
    public func decode(_ batch: [(ids: [Int32], cache: KeyValueCache)], in decoder: DecoderMemory) -> Matrix {
        checked(decoder.configuration == configuration && (1...PackedModel.largestBatch).contains(batch.count))
        checked(batch.allSatisfy { $0.ids.count <= SumOrder.straightRows })
        let w = decoder.workspace
        var (ids, last): ([Int32], [Int]) = ([], [])
        for part in batch {
            ids += part.ids
            last.append(ids.count - 1)
        }
        pass(w, ids: ids, parts: batch.map { ($0.cache, $0.ids.count) }, wanted: last, order: .straight)
        return head(w, rows: batch.count, .straight)
    }

    /// All layers for the next tokens of some sequences.
    /// - Parameters:
    ///   - parts: how many of `ids` are whose
    ///   - wanted: the rows that are to stand in `w.x`, from its beginning; their sums are taken as one row's alone
    ///   - order: of all others' sums
    private func pass(
        _ w: PackedWorkspace, ids: [Int32], parts: [(cache: KeyValueCache, count: Int)], wanted: [Int], order: SumOrder,
        pause: () -> Void = {}
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
            if isLast && wanted.count < ids.count { keepRows(w, wanted) }
            layer.finish(w, rows: isLast ? wanted.count : ids.count, isLast ? .straight : order)
            pause()
        }
        for (cache, count) in parts { cache.count += count }
    }
}

/// Memory that `PackedModel.decode` works in, kept from step to step. For one thread at a time.
public final class DecoderMemory: @unchecked Sendable {
    // @unchecked: whoever makes the steps owns it.
    let configuration: RobertaConfiguration
    let workspace: PackedWorkspace

    public init(_ model: PackedModel) {
        configuration = model.configuration
        workspace = PackedWorkspace(
            model.configuration, tokens: PackedModel.largestBatch * SumOrder.straightRows,
            scored: PackedModel.largestBatch)
    }
}
