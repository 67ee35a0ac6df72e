import Fairness
import Kernels
import Models
import Parallel
import Synchronization

/// The active generations of one engine, which advance together: one step computes the next token of each, or a short
/// prompt, and reads the weights once for all of them (iteration-level scheduling: Yu et al., "Orca", 2022, section
/// 3.1).
///
/// Requests join and leave between steps. A step is one turn on `WorkQueue.models`, and the next step is queued behind
/// everything that has arrived in the meantime. A longer prompt takes separate turns, which alternate with steps. Users
/// share the places of a step (`GenerationPlaces`): if more generations have a cache than fit into a step, the most
/// recent ones of the users with the most generations wait.
final class ContinuousBatch: Sendable {
    private static let policy = GenerationPlaces(places: PackedModel.largestBatch)

    private let model: PackedModel
    private let state = Mutex(State())

    private struct State {
        var waiting = FairQueue<UInt32, GenerationRun>()
        /// In the order in which they received their caches.
        var active: [GenerationRun] = []
        /// Whether a turn is queued.
        var isScheduled = false
        /// Whether the last turn processed a prompt.
        var lastWasPrompt = false
        /// Number of the last turn that processed a prompt of each user.
        var lastPromptTurn: [UInt32: Int] = [:]
        var turns = 0
        /// Allocated by the first step.
        var memory: DecodeWorkspace?
    }

    private enum Turn {
        case prompt(GenerationRun)
        case tokens([GenerationRun], DecodeWorkspace)
    }

    init(_ model: PackedModel) {
        self.model = model
    }

    /// Number of generations that are active or waiting.
    var count: Int { state.withLock { $0.active.count + $0.waiting.count } }

    func add(_ run: GenerationRun) {
        let begins = state.withLock { state in
            state.waiting.push(run, for: run.user)
            defer { state.isScheduled = true }
            return !state.isScheduled
        }
        if begins { schedule(cost: PackedModel.largestBatch) }
    }

    /// - Parameter cost: cost of the previous turn, because that of the next one is not known yet
    private func schedule(cost: Int) {
        WorkQueue.models.enqueue(for: .generations, cost: cost) { [self] in step() }
    }

    private func step() {
        let cost: Int
        switch nextTurn() {
        case .prompt(let run): cost = run.takePrompt(model)
        case .tokens(let runs, let memory):
            cost = runs.count
            decode(runs, memory)
        case nil: return
        }
        state.withLock { $0.active.removeAll(where: \.isOver) }
        schedule(cost: cost)
    }

    /// Removes cancelled generations, admits waiting ones, and returns the next turn, or nil if no generations are
    /// left.
    private func nextTurn() -> Turn? {
        state.withLock { state in
            state.active.removeAll(where: \.isOver)
            state.waiting.removeAll(where: \.isOver)
            admitWaiting(&state)
            guard !state.active.isEmpty else {
                state.isScheduled = false
                state.lastPromptTurn = [:]
                return nil
            }
            state.turns &+= 1
            let stepping = Self.policy.stepping(state.active.map(\.user), turn: state.turns).map { state.active[$0] }
            let ready = stepping.filter(\.isBatchable)
            // If several users have a prompt, the user whose last prompt was processed the longest ago is served.
            let prompt = stepping.filter { !$0.isBatchable }
                .min { state.lastPromptTurn[$0.user, default: -1] < state.lastPromptTurn[$1.user, default: -1] }
            if let prompt, ready.isEmpty || !state.lastWasPrompt {
                state.lastWasPrompt = true
                state.lastPromptTurn[prompt.user] = state.turns
                return .prompt(prompt)
            }
            state.lastWasPrompt = false
            let memory = state.memory ?? DecodeWorkspace(model)
            state.memory = memory
            return .tokens(ready, memory)
        }
    }

    private func admitWaiting(_ state: inout State) {
        while !state.waiting.isEmpty {
            let (active, waiting) = (state.active.map(\.user), state.waiting.users)
            let next = state.waiting.popFirst { user, _ in
                Self.policy.mayJoin(user, active: active, waiting: waiting)
            }
            guard let run = next?.element else { return }
            run.join(model)
            state.active.append(run)
        }
    }

    private func decode(_ runs: [GenerationRun], _ memory: DecodeWorkspace) {
        let logits = model.decode(runs.map(\.next), in: memory) { WorkQueue.models.yieldToOthers() }
        ThreadPool.shared.forEach(runs.count) { index in
            runs[index].take(UnsafeBufferPointer(start: logits.row(index), count: logits.columns))
        }
    }
}
