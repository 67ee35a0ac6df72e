import Synchronization

/// Asks a run to stop, from any thread. The run checks between two steps.
public final class RunControl: Sendable {
    private let leaving = Atomic(false)

    public init() {}

    /// Asks the run to write a checkpoint and end.
    public func leave() { leaving.store(true, ordering: .relaxed) }

    var isLeaving: Bool { leaving.load(ordering: .relaxed) }
}
