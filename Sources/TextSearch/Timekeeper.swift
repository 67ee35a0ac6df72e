/// Watches the budget of one question.
final class Timekeeper {
    private let budget: SearchBudget
    private var steps = 0
    private let start = ContinuousClock.now
    private var deadline: ContinuousClock.Instant?
    private var lastAsked: ContinuousClock.Instant

    init(_ budget: SearchBudget) {
        self.budget = budget
        deadline = budget.deadline
        // The first check asks in any case.
        lastAsked = start - .seconds(1)
    }

    /// Moves the deadline to a share of the whole budget.
    func limit(to share: Double) {
        deadline = budget.deadline.map { start + ($0 - start) * share }
    }

    /// Counts work of up to about a microsecond for each step.
    /// - Throws: `Stop` if the deadline has passed or the question is cancelled
    @inline(__always)
    func step(_ count: Int = 1) throws(Stop) {
        steps += count
        if steps >= 256 { try check() }
    }

    func check() throws(Stop) {
        steps = 0
        let now = ContinuousClock.now
        if let deadline, now >= deadline { throw .deadline }
        guard now - lastAsked > .milliseconds(1) else { return }
        lastAsked = now
        if budget.isCancelled() { throw .failed(.cancelled) }
    }
}
