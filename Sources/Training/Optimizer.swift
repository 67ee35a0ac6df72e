import Jobs
import Kernels
import Models

/// AdamW, with weight decay for everything except biases and LayerNorms; or Muon for the matrices of layers and head,
/// and AdamW for the rest.
public final class Optimizer {
    /// First moments of AdamW; momentum of Muon.
    public let firstMoment: Parameters
    /// Second moments of AdamW; zero and never accessed for Muon's matrices.
    public let secondMoment: Parameters
    /// Number of updates so far.
    public internal(set) var updates = 0
    private let recipe: Recipe
    private let precision: Precision
    /// How the updates are divided among ranks.
    let division: UpdateUnits
    /// The updates of this rank.
    private let own: [UpdateUnit]

    /// - Parameters:
    ///   - rank: the rank of this process, which updates a part of the parameters only
    ///   - ranks: the number of ranks
    public init(layout: ParameterLayout, recipe: Recipe, precision: Precision, rank: Int = 0, of ranks: Int = 1) {
        self.recipe = recipe
        self.precision = precision
        // Memory of the parts that other ranks update is never written.
        firstMoment = Parameters(layout: layout)
        secondMoment = Parameters(layout: layout)
        division = UpdateUnits(layout: layout, recipe: recipe, ranks: ranks)
        own = division.updates(ofRank: rank)
    }

    static func usesMuon(_ entry: ParameterLayout.Entry, _ recipe: Recipe) -> Bool {
        recipe.optimizer == .muon && entry.isDecayed && !entry.name.contains("embeddings")
    }

    /// Whether AdamW updates the tensor, which then has a second moment.
    func hasSecondMoment(_ entry: ParameterLayout.Entry) -> Bool { !Optimizer.usesMuon(entry, recipe) }

    /// Returns the number of elements that have a second moment.
    static func secondMoments(_ layout: ParameterLayout, _ recipe: Recipe) -> Int {
        layout.entries.reduce(0) { $0 + (usesMuon($1, recipe) ? 0 : $1.count) }
    }

    /// Returns the bytes of temporary memory that an update uses.
    static func scratchBytes(_ layout: ParameterLayout, _ recipe: Recipe) -> Int {
        layout.entries.filter { usesMuon($0, recipe) }.map { muonScratchBytes(rows: $0.shape[0], columns: $0.shape[1]) }
            .max() ?? 0
    }

    /// Updates this rank's part of the parameters.
    /// - Parameter gradientScale: factor applied to the gradients first
    func update(_ parameters: Parameters, gradients: Parameters, learningRate: Double, gradientScale: Double) {
        updates += 1
        let muonStep = MuonStep(
            learningRate: learningRate, momentum: recipe.muonMomentum, weightDecay: recipe.weightDecay,
            gradientScale: gradientScale)
        for unit in own {
            switch unit.kind {
            case .adamW(let isDecayed):
                let step = AdamWStep(
                    learningRate: learningRate, beta1: recipe.adamBeta1, beta2: recipe.adamBeta2,
                    epsilon: recipe.adamEpsilon, weightDecay: isDecayed ? recipe.weightDecay : 0,
                    gradientScale: gradientScale, step: updates)
                let at = unit.range.lowerBound
                adamWUpdate(
                    parameters: parameters.values.baseAddress! + at, gradients: gradients.values.baseAddress! + at,
                    firstMoment: firstMoment.values.baseAddress! + at,
                    secondMoment: secondMoment.values.baseAddress! + at, count: unit.range.count, step)
            case .muon(let entry):
                muonUpdate(
                    parameters: parameters.matrix(entry), gradients: gradients.matrix(entry),
                    momentumBuffer: firstMoment.matrix(entry), muonStep, precision: precision)
            }
        }
    }
}
