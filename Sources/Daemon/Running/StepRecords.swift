import FoundationEssentials
import Jobs
import Database

extension StepRecord {
    init(_ step: RunEvent.Step, of run: String, at time: Date) {
        self.init(
            run: run, step: step.step, epoch: step.epoch, loss: step.loss, learningRate: step.learningRate,
            gradientNorm: step.gradientNorm, tokens: step.tokens, tokensPerSecond: step.tokensPerSecond, mfu: step.mfu,
            time: time)
    }
}

extension EvaluationRecord {
    init(_ evaluation: RunEvent.Evaluation, of run: String, at time: Date) {
        self.init(
            run: run, step: evaluation.step, loss: evaluation.loss, perplexity: evaluation.perplexity,
            accuracy: evaluation.accuracy, bitsPerByte: evaluation.bitsPerByte, time: time)
    }
}
