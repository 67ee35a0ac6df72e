import AsyncSupport
import Fairness
import Kernels
import Models
import Parallel
import Synchronization

/// Texts with masks that wait at the same time and are processed together, so that the weights are read only once.
///
/// Each text requests a turn on `WorkQueue.models`. A user's turn processes the first text of that user together with
/// texts of other users, in turn, whose sums are accumulated in the same order, so that batching does not change any
/// result. The turns of the other users then find nothing to do.
final class MaskBatch: Sendable {
    private struct Sentence: Sendable {
        let ids: [Int32]
        let masks: [Int]
        /// Set when the caller no longer waits.
        let flag: CancellationFlag
        /// Receives the index of a mask and the logits there, `[vocabSize]`, on a thread of the pool.
        let read: @Sendable (Int, UnsafeBufferPointer<Float>) -> Void
        /// Called once: after `read` of all masks, or instead if the text was abandoned.
        let end: @Sendable (_ isAbandoned: Bool) -> Void

        var orders: SumOrders { SumOrders(tokens: ids.count, rows: masks.count) }
    }

    /// Maximum number of tokens of one turn.
    private static let largestTurn = 256

    private let model: PackedModel
    private let waiting = Mutex(FairQueue<UInt32, Sentence>())

    init(_ model: PackedModel) {
        self.model = model
    }

    /// The results of one text, which are made on several threads.
    private final class Results<Value: Sendable>: Sendable {
        private let ofMasks: Mutex<[Int: Result<Value, any Error>]> = Mutex([:])

        func set(_ mask: Int, _ result: Result<Value, any Error>) { ofMasks.withLock { $0[mask] = result } }

        func values(count: Int) throws -> [Value] {
            let results = ofMasks.withLock { $0 }
            return try (0..<count).map { try results[$0]!.get() }
        }
    }

    /// Computes the logits at the masks of a text, together with other waiting texts.
    /// - Parameters:
    ///   - ids: at most `configuration.longestSequence`
    ///   - masks: indexes into `ids`, at least one
    ///   - user: the user whose turn is used
    ///   - body: receives the logits at one mask, `[vocabSize]`, on a thread of the pool. Other users wait for it, so it
    ///     must be short
    /// - Returns: the result of `body` for each mask
    /// - Throws: `CancellationError` if the calling task is cancelled before its turn, and what `body` throws
    func run<Value: Sendable>(
        ids: [Int32], masks: [Int], for user: UInt32,
        _ body: @escaping @Sendable (UnsafeBufferPointer<Float>) throws -> Value
    ) async throws -> [Value] {
        let flag = CancellationFlag()
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let results = Results<Value>()
                let sentence = Sentence(
                    ids: ids, masks: masks, flag: flag,
                    read: { mask, logits in results.set(mask, Result { try body(logits) }) },
                    end: { isAbandoned in
                        continuation.resume(
                            with: Result {
                                if isAbandoned { throw CancellationError() }
                                return try results.values(count: masks.count)
                            })
                    })
                let cost = ids.count + masks.count
                waiting.withLock { $0.push(sentence, for: user, cost: cost) }
                WorkQueue.models.enqueue(for: .user(user), cost: cost) { [self] in step(of: user) }
            }
        } onCancel: {
            flag.cancel()
        }
    }

    private func step(of user: UInt32) {
        var abandoned: [Sentence] = []
        let sentences = waiting.withLock { waiting in
            waiting.removeAll { sentence in
                guard sentence.flag.isCancelled else { return false }
                abandoned.append(sentence)
                return true
            }
            return Self.takeBatch(&waiting, of: user)
        }
        for sentence in abandoned { sentence.end(true) }
        guard let first = sentences.first else { return }
        var (ids, offsets, rows): ([Int32], [Int], [Int]) = ([], [0], [])
        var owners: [(sentence: Sentence, mask: Int)] = []
        for sentence in sentences {
            owners += sentence.masks.indices.map { (sentence, $0) }
            rows += sentence.masks.map { ids.count + $0 }
            ids += sentence.ids
            offsets.append(ids.count)
        }
        model.forEachLogits(
            inputIDs: ids, sequenceOffsets: offsets, rows: rows, orders: first.orders,
            pause: { WorkQueue.models.yieldToOthers() }
        ) { range, logits in
            ThreadPool.shared.forEach(range.count) { index in
                let (sentence, mask) = owners[range.lowerBound + index]
                sentence.read(mask, UnsafeBufferPointer(start: logits.row(index), count: logits.columns))
            }
            for (sentence, mask) in owners[range] where mask == sentence.masks.count - 1 { sentence.end(false) }
        }
    }

    /// Removes and returns the user's first text and other texts that can be batched with it, up to 256 tokens in total
    /// and at least one text.
    private static func takeBatch(_ waiting: inout FairQueue<UInt32, Sentence>, of user: UInt32) -> [Sentence] {
        guard let first = waiting.popFirst(where: { owner, _ in owner == user })?.element else { return [] }
        var taken = [first]
        var tokens = first.ids.count
        while tokens < largestTurn,
            let next = waiting.popFirst(where: { _, sentence in
                tokens + sentence.ids.count <= largestTurn && sentence.orders == first.orders
            })
        {
            tokens += next.element.ids.count
            taken.append(next.element)
        }
        return taken
    }
}
