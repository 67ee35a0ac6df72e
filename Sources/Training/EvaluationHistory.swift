import Jobs

/// What a run remembers of its evaluations: the best one, and how long ago that was.
struct EvaluationHistory: Codable, Equatable {
    private(set) var last: RunEvent.Evaluation?
    /// The one with the lowest loss, the first of equals.
    private(set) var best: RunEvent.Evaluation?
    /// Evaluations since the best one.
    private(set) var sinceBest = 0

    /// The first number that no run could have written by this step, or nil.
    func flaw(atStep step: Int) -> String? {
        if !(0...step).contains(sinceBest) { return "`since_best` is \(sinceBest) at step \(step)" }
        for evaluation in [last, best].compactMap(\.self) where !(0...step).contains(evaluation.step) {
            return "an evaluation is of step \(evaluation.step), after step \(step)"
        }
        return nil
    }

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
