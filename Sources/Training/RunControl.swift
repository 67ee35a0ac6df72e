import Dispatch
import Jobs
import Synchronization

/// Commands for a running job, which takes effect between two steps.
public final class RunControl: Sendable {
    private struct State {
        var isPaused = false
        var wantsCheckpoint = false
        var isLeaving = false
    }

    /// The action to take before the next step.
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

    /// Asks the run to write a checkpoint and exit.
    public func leave() {
        state.withLock { $0.isLeaving = true }
        changed.signal()
    }

    var isLeaving: Bool { state.withLock { $0.isLeaving } }

    /// Returns the next instruction; blocks while the run is paused and there is nothing else to do.
    /// - Parameter waiting: called periodically while waiting
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
