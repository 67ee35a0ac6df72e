import Dispatch
import Jobs
import Synchronization

/// What a run is told while it works; heard between two steps.
public final class RunControl: Sendable {
    private struct State {
        var isPaused = false
        var wantsCheckpoint = false
        var isLeaving = false
    }

    /// What to do before the next step.
    enum Instruction {
        case goOn, checkpoint, leave
    }

    private let state = Mutex(State())
    private let changed = DispatchSemaphore(value: 0)

    public init() {}

    public func send(_ command: RunCommand) {
        state.withLock { state in
            switch command {
            case .pause: state.isPaused = true
            case .resume: state.isPaused = false
            case .checkpoint: state.wantsCheckpoint = true
            }
        }
        changed.signal()
    }

    /// Write a checkpoint and end.
    public func leave() {
        state.withLock { $0.isLeaving = true }
        changed.signal()
    }

    var isLeaving: Bool { state.withLock { $0.isLeaving } }

    /// The next instruction; waits while the run is paused and nothing else is wanted.
    /// - Parameter waiting: called now and then meanwhile
    func next(waiting: () -> Void) -> Instruction {
        while true {
            let instruction: Instruction? = state.withLock { state in
                if state.isLeaving { return .leave }
                if state.wantsCheckpoint {
                    state.wantsCheckpoint = false
                    return .checkpoint
                }
                return state.isPaused ? nil : .goOn
            }
            if let instruction { return instruction }
            waiting()
            _ = changed.wait(timeout: .now() + Pulse.seconds)
        }
    }
}
