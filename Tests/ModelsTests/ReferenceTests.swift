import Foundation
import Kernels
import Models
import Parity
import Testing

/// Compares results with reference values of PyTorch and transformers; see Fixtures/README.md.
@Suite struct ReferenceTests {
    static func folder(_ objective: String) throws -> GoldenFolder {
        let fixtures = try #require(Bundle.module.resourceURL).appendingPathComponent("Fixtures/\(objective)")
        return try GoldenFolder(path: fixtures.path)
    }

    @Test(arguments: ["mlm", "clm"])
    func matchesPyTorch(objective: String) throws {
        let results = try ParityCheck.run(try Self.folder(objective))
        #expect(results.count == (objective == "clm" ? 18 : 16))
        for result in results {
            #expect(result.passed, "\(result.check): \(result.error) at \(result.worst), allowed \(result.tolerance)")
        }
    }

    /// Compares the slope of the loss along each tensor's gradient with the gradient's norm, for a loss
    /// change of about 1e-3.
    @Test(arguments: ["mlm", "clm"])
    func gradientMatchesFiniteDifference(objective: String) throws {
        let folder = try Self.folder(objective)
        let model = try folder.loadModel()
        let pass = folder.makePass(model)
        let gradients = Parameters(layout: model.parameters.layout)
        _ = folder.lossAndGradients(pass, gradients)
        for entry in model.parameters.layout.entries {
            let gradient = gradients[entry]
            let norm = gradient.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
            if entry.name.hasSuffix("attention.self.key.bias") {
                // Softmax is invariant to a constant shift, so the gradient is zero.
                #expect(norm < 1e-6, "\(entry.name)")
                continue
            }
            let tensor = model.parameters[entry]
            let before = Array(tensor)
            func lossAway(_ distance: Double) -> Double {
                for index in before.indices {
                    tensor[index] = before[index] + Float(distance / norm * Double(gradient[index]))
                }
                return folder.loss(pass)
            }
            let step = min(1e-3 / norm, 0.05)
            let slope = (lossAway(step) - lossAway(-step)) / (2 * step)
            for index in before.indices { tensor[index] = before[index] }
            #expect(abs(slope / norm - 1) < 1e-2, "\(entry.name): slope \(slope), norm \(norm)")
        }
    }

    /// The backward pass must use the same dropout masks as the forward pass.
    @Test(arguments: ["mlm", "clm"])
    func gradientMatchesFiniteDifferenceUnderDropout(objective: String) throws {
        let folder = try Self.folder(objective)
        let source = try folder.loadModel()
        var configuration = folder.configuration
        configuration.hiddenDropoutProb = 0.3
        configuration.attentionProbsDropoutProb = 0.2
        let model = RobertaModel(configuration: configuration, parameters: source.parameters)
        let pass = folder.makePass(model)
        let gradients = Parameters(layout: model.parameters.layout)
        func loss() -> Double {
            gradients.setToZero()
            let sums = pass.forwardBackward(
                inputIDs: folder.inputIDs, sequenceOffsets: folder.sequenceOffsets, scoredRows: folder.scoredRows,
                labels: folder.labels, lossScale: 1 / Float(folder.scoredRows.count),
                dropout: DropoutKey(seed: 11, step: 3), gradients: gradients)
            return sums.loss / Double(sums.count)
        }
        let withDropout = loss()
        #expect(abs(withDropout - folder.loss(pass)) > 1e-3, "dropout does not change the loss")
        let analytic = Parameters(layout: gradients.layout)
        analytic.copy(from: gradients)
        for entry in model.parameters.layout.entries where !entry.name.hasSuffix("attention.self.key.bias") {
            let gradient = analytic[entry]
            let norm = gradient.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
            let tensor = model.parameters[entry]
            let before = Array(tensor)
            func lossAway(_ distance: Double) -> Double {
                for index in before.indices {
                    tensor[index] = before[index] + Float(distance / norm * Double(gradient[index]))
                }
                return loss()
            }
            let step = min(1e-3 / norm, 0.05)
            let slope = (lossAway(step) - lossAway(-step)) / (2 * step)
            for index in before.indices { tensor[index] = before[index] }
            #expect(abs(slope / norm - 1) < 1e-2, "\(entry.name): slope \(slope), norm \(norm)")
        }
    }

    /// With bfloat16 products, every gradient must be within 2 % of the float32 gradient.
    @Test(.enabled(if: Precision.hasBFloat16, "this CPU has no AVX512_BF16"), arguments: ["mlm", "clm"])
    func bfloat16GradientsAreCloseToFloat32(objective: String) throws {
        let folder = try Self.folder(objective)
        let model = try folder.loadModel()
        let (exact, rounded) = (
            Parameters(layout: model.parameters.layout), Parameters(layout: model.parameters.layout)
        )
        let loss = folder.lossAndGradients(folder.makePass(model), exact)
        let roundedLoss = folder.lossAndGradients(folder.makePass(model, precision: .bfloat16), rounded)
        #expect(roundedLoss != loss && abs(roundedLoss / loss - 1) < 1e-3)
        for entry in exact.layout.entries where !entry.name.hasSuffix("attention.self.key.bias") {
            let (one, other) = (exact[entry], rounded[entry])
            let norm = one.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
            let difference = zip(one, other).reduce(0) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) }.squareRoot()
            #expect(difference / norm < 0.02, "\(entry.name): \(difference / norm)")
        }
    }

    /// Decoding token by token with the cache must match a pass over the whole sequence.
    @Test func cachedDecodingMatchesFullPass() throws {
        let folder = try Self.folder("clm")
        let model = try folder.loadModel()
        let ids = Array(folder.inputIDs[folder.sequenceOffsets[3]..<folder.sequenceOffsets[4]])
        let whole = model.logits(inputIDs: ids, sequenceOffsets: [0, ids.count], rows: [ids.count - 1])
        let cache = model.makeKeyValueCache(capacity: ids.count)
        _ = model.decode(Array(ids[..<7]), cache: cache)
        var last: [Float] = []
        for id in ids[7...] { last = model.decode([id], cache: cache) }
        for (one, other) in zip(whole, last) { #expect(abs(one - other) < 1e-4) }
    }

    /// A sequence's result must not depend on the other sequences of its batch.
    @Test(arguments: ["mlm", "clm"])
    func sequencesInABatchAreIndependent(objective: String) throws {
        let folder = try Self.folder(objective)
        let model = try folder.loadModel()
        let range = folder.sequenceOffsets[1]..<folder.sequenceOffsets[2]
        let together = model.logits(
            inputIDs: folder.inputIDs, sequenceOffsets: folder.sequenceOffsets, rows: [range.lowerBound + 4])
        let alone = model.logits(
            inputIDs: Array(folder.inputIDs[range]), sequenceOffsets: [0, range.count], rows: [4])
        for (one, other) in zip(together, alone) { #expect(abs(one - other) < 1e-4) }
    }
}
