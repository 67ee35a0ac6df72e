import Models
import Parallel
import Synchronization

/// Sentences with masks that wait for their turn at the same time, and then have it together: the weights are read once for
/// all of them.
///
/// Each asks for a turn on `WorkQueue.models`. The first one whose turn comes takes along those behind it whose sums are
/// taken in the same order, so that each gets what it gets alone; their own turns then find nothing to do.
final class MaskBatch: Sendable {
    private struct Sentence: Sendable {
        let ids: [Int32]
        let masks: [Int]
        /// Gets the logits at the masks, `[masks.count, vocabSize]`, on a thread of the pool.
        let take: @Sendable (UnsafeBufferPointer<Float>) -> Void

        var orders: SumOrders { SumOrders(tokens: ids.count, rows: masks.count) }
    }

    private let model: PackedModel
    /// In the order they came.
    private let waiting = Mutex<[Sentence]>([])

    init(_ model: PackedModel) {
        self.model = model
    }

    /// Computes the logits at a sentence's masks, together with whoever waits as well.
    /// - Parameters:
    ///   - ids: at most `configuration.longestSequence`
    ///   - masks: indexes into `ids`, at least one
    ///   - body: gets the logits, `[masks.count, vocabSize]`, on a thread of the pool
    func run<Value: Sendable, Failure: Error>(
        ids: [Int32], masks: [Int],
        _ body: @escaping @Sendable (UnsafeBufferPointer<Float>) throws(Failure) -> Value
    ) async throws(Failure) -> Value {
        let result: Result<Value, Failure> = await withCheckedContinuation { continuation in
            let sentence = Sentence(ids: ids, masks: masks) { logits in
                continuation.resume(
                    returning: Result { () throws(Failure) in try body(logits) })
            }
            waiting.withLock { $0.append(sentence) }
            WorkQueue.models.enqueue { [self] in takeTurn() }
        }
        return try result.get()
    }

    private func takeTurn() {
        let sentences = waiting.withLock { Self.takeBatch(&$0) }
        guard let first = sentences.first else { return }
        var (ids, offsets, rows): ([Int32], [Int], [Int]) = ([], [0], [])
        var parts: [Range<Int>] = []
        for sentence in sentences {
            parts.append(rows.count..<rows.count + sentence.masks.count)
            rows += sentence.masks.map { ids.count + $0 }
            ids += sentence.ids
            offsets.append(ids.count)
        }
        let logits = model.logits(inputIDs: ids, sequenceOffsets: offsets, rows: rows, orders: first.orders)
        let columns = model.configuration.vocabSize
        logits.withUnsafeBufferPointer { logits in
            ThreadPool.shared.forEach(sentences.count) { index in
                let part = parts[index]
                sentences[index].take(
                    UnsafeBufferPointer(rebasing: logits[part.lowerBound * columns..<part.upperBound * columns]))
            }
        }
    }

    /// Takes the first sentence and those that go with it, as many as one turn on the queue is worth: up to 256 tokens, at
    /// least one sentence.
    private static func takeBatch(_ waiting: inout [Sentence]) -> [Sentence] {
        guard let first = waiting.first else { return [] }
        var (taken, left): ([Sentence], [Sentence]) = ([], [])
        var tokens = 0
        for sentence in waiting {
            let fits = taken.isEmpty || tokens + sentence.ids.count <= 256 && sentence.orders == first.orders
            if fits {
                tokens += sentence.ids.count
                taken.append(sentence)
            } else {
                left.append(sentence)
            }
        }
        waiting = left
        return taken
    }
}
