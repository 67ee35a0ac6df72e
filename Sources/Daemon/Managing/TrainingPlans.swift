import Interface
import Jobs
import Settings

/// Forecasts the choices that runs of a model would make for its present text.
struct TrainingPlans {
    let model: ModelSettings
    /// Size of the corpora that the model is trained on.
    let textBytes: Int
    /// The rate of all threads that a run uses, in the precision that it would choose.
    let operationsPerSecond: Double

    /// The times that are compared with that of the settings: ten minutes, an hour and a night.
    private static let times: [Double] = [600, 3600, 8 * 3600]

    /// The plan of the settings comes first.
    var plans: [ManagerInterface.TrainingPlan] {
        ([model.recipe.maxTime] + TrainingPlans.times.map(TimeLimit.seconds)).map(plan)
    }

    private func plan(_ maxTime: TimeLimit) -> ManagerInterface.TrainingPlan {
        var recipe = model.recipe
        recipe.maxTime = maxTime
        let text = TrainingText(estimatedFrom: textBytes, model.architecture, recipe, for: model.objective)
        let chosen = AutomaticModel(
            model.architecture, recipe, for: model.objective, text: text, operationsPerSecond: operationsPerSecond)
        return .init(
            model: model.name, maxSeconds: chosen.maxSeconds,
            numHiddenLayers: chosen.architecture.numHiddenLayers ?? 0,
            hiddenSize: chosen.architecture.hiddenSize ?? 0, parameters: chosen.parameters,
            numTrainEpochs: chosen.epochs, steps: chosen.steps, seconds: chosen.seconds,
            memoryBytes: chosen.memoryBytes, bitsPerByte: chosen.bitsPerByte,
            uncertainty: AutomaticModel.uncertainty, endsEarly: chosen.endsEarly)
    }
}
