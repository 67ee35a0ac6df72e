import Datasets
import Jobs

/// The numbers of the model and the length of its training, which a run chooses where its settings say `auto`.
struct ModelChoice: Codable, Equatable {
    var architecture: Architecture
    var numTrainEpochs: Double
    var maxTime: TimeLimit

    init(_ model: AutomaticModel) {
        architecture = model.architecture
        numTrainEpochs = model.epochs
        maxTime = TimeLimit(seconds: model.maxSeconds)
    }

    init(architecture: Architecture, numTrainEpochs: Double, maxTime: TimeLimit) {
        self.architecture = architecture
        self.numTrainEpochs = numTrainEpochs
        self.maxTime = maxTime
    }

    /// Describes the first number that no run could have chosen; nil if there is none.
    var failureReason: String? {
        do throws(JobError) {
            try architecture.validate()
        } catch {
            return "\(error)"
        }
        guard architecture.isComplete else { return "a number of `architecture` is missing" }
        return numTrainEpochs > 0 && numTrainEpochs.isFinite ? nil : "`num_train_epochs` is \(numTrainEpochs)"
    }
}

extension Job {
    /// Whether the run chooses any number of the model or the length of its training.
    var isAutomatic: Bool {
        !architecture.isComplete || recipe.numTrainEpochs == nil || recipe.maxTime == .automatic
    }

    /// Sets the numbers that the run chose. Numbers that the job sets stay as they are.
    mutating func adopt(_ choice: ModelChoice) {
        architecture = architecture.completed(with: choice.architecture)
        recipe.numTrainEpochs = recipe.numTrainEpochs ?? choice.numTrainEpochs
        if recipe.maxTime == .automatic { recipe.maxTime = choice.maxTime }
    }
}

extension TrainingText {
    init(_ shards: TokenShards, vocabulary: Int) {
        let totals = shards.training.totals
        self.init(rows: totals.rows, tokens: totals.tokens, bytes: totals.textBytes, vocabulary: vocabulary)
    }
}
