import Jobs

/// What a run remembers of its evaluations: the best one, and how long ago that was.
struct EvaluationHistory: Codable, Equatable {
    private(set) var last: RunEvent.Evaluation?
    /// The one with the lowest loss, the first of equals.
    private(set) var best: RunEvent.Evaluation?
    /// Evaluations since the best one.
    private(set) var sinceBest = 0

    /// - Returns: whether it is the best one so far
    mutating func note(_ evaluation: RunEvent.Evaluation) -> Bool {
        last = evaluation
        if let best, best.loss <= evaluation.loss {
            sinceBest += 1
            return false
        }
        best = evaluation
        sinceBest = 0
        return true
    }
}
