import Jobs

/// The last and the best evaluation of a run.
struct EvaluationHistory: Codable, Equatable {
    private(set) var last: RunEvent.Evaluation?
    /// The evaluation with the lowest loss; the earliest if several are equal.
    private(set) var best: RunEvent.Evaluation?
    /// Evaluations since the best one.
    private(set) var sinceBest = 0

    /// A description of the first value that no run could have written by this step, or nil.
    func failureReason(atStep step: Int) -> String? {
        if !(0...step).contains(sinceBest) { return "`since_best` is \(sinceBest) at step \(step)" }
        for evaluation in [last, best].compactMap(\.self) where !(0...step).contains(evaluation.step) {
            return "an evaluation has step \(evaluation.step), after step \(step)"
        }
        return nil
    }

    /// Records an evaluation.
    /// - Returns: whether it is the best so far
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
