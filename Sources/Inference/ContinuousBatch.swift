import Kernels
import Models
import Parallel
import Synchronization

/// The generations under way on one engine, which go forward together: a step takes the next token of each, or a prompt that
/// is short, and reads the weights once for all (iteration-level scheduling: Yu et al., "Orca", 2022, section 3.1).
///
/// Requests join and leave between steps. A step is one turn on `WorkQueue.models`, and the next one stands behind whatever
/// has come meanwhile. A longer prompt takes turns of its own, alternating with the others' steps.
final class ContinuousBatch: Sendable {
    private let model: PackedModel
    private let state = Mutex(State())

    private struct State {
        /// In the order they came.
        var waiting: [GenerationRun] = []
        /// At most `PackedModel.largestBatch`, each with a cache.
        var active: [GenerationRun] = []
        /// Whether a turn is on the queue.
        var isScheduled = false
        /// Whether the last turn was a prompt's.
        var lastWasPrompt = false
        /// Made with the first step.
        var memory: DecoderMemory?
    }

    private enum Turn {
        case prompt(GenerationRun)
        case tokens([GenerationRun], DecoderMemory)
    }

    init(_ model: PackedModel) {
        self.model = model
    }

    /// How many are under way or wait, between two turns.
    var count: Int { state.withLock { $0.active.count + $0.waiting.count } }

    func add(_ run: GenerationRun) {
        let begins = state.withLock { state in
            state.waiting.append(run)
            defer { state.isScheduled = true }
            return !state.isScheduled
        }
        if begins { schedule() }
    }

    private func schedule() {
        WorkQueue.models.enqueue { [self] in takeTurn() }
    }

    private func takeTurn() {
        switch nextTurn() {
        case .prompt(let run): run.takePrompt(model)
        case .tokens(let runs, let memory): decode(runs, memory)
        case nil: return
        }
        state.withLock { $0.active.removeAll(where: \.isOver) }
        schedule()
    }

    /// Lets go who has hung up, lets in who waits, and says whose turn it is; nil where nobody is left.
    private func nextTurn() -> Turn? {
        state.withLock { state in
            state.active.removeAll(where: \.isOver)
            state.waiting.removeAll(where: \.isOver)
            let free = PackedModel.largestBatch - state.active.count
            for run in state.waiting.prefix(free) {
                run.join(model)
                state.active.append(run)
            }
            state.waiting.removeFirst(min(free, state.waiting.count))
            guard !state.active.isEmpty else {
                state.isScheduled = false
                return nil
            }
            let ready = state.active.filter(\.goesWithOthers)
            let prompt = state.active.first { !$0.goesWithOthers }
            if let prompt, ready.isEmpty || !state.lastWasPrompt {
                state.lastWasPrompt = true
                return .prompt(prompt)
            }
            state.lastWasPrompt = false
            let memory = state.memory ?? DecoderMemory(model)
            state.memory = memory
            return .tokens(ready, memory)
        }
    }

    private func decode(_ runs: [GenerationRun], _ memory: DecoderMemory) {
        let logits = model.decode(runs.map(\.next), in: memory)
        ThreadPool.shared.forEach(runs.count) { index in
            runs[index].take(UnsafeBufferPointer(start: logits.row(index), count: logits.columns))
        }
    }
}
