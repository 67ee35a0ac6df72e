import Foundation
import Kernels
import Testing

/// Compares Muon with `torch.optim.Muon` (`Fixtures/muon_reference.py`).
@Suite struct MuonTests {
    struct Case: Decodable, CustomTestStringConvertible {
        let rows: Int
        let columns: Int
        let before: [Float]
        let gradients: [[Float]]
        let after: [[Float]]
        var testDescription: String { "\(rows) × \(columns)" }
    }

    static let cases: [Case] = {
        let url = Bundle.module.url(forResource: "muon", withExtension: "json", subdirectory: "Fixtures")!
        return try! JSONDecoder().decode([Case].self, from: Data(contentsOf: url))
    }()

    /// Returns the parameters after each step, with gradients divided by `scale`.
    private func steps(_ reference: Case, scale: Float = 1, precision: Precision = .float32) -> [[Float]] {
        let (rows, columns) = (reference.rows, reference.columns)
        let arena = Arena(bytes: 3 * Arena.rounded(4 * rows * columns))
        let matrices = (0..<3).map { _ in arena.matrix(rows: rows, columns: columns) }
        matrices[0].base.update(from: reference.before, count: rows * columns)
        let step = MuonStep(learningRate: 0.02, momentum: 0.95, weightDecay: 0.1, gradientScale: Double(scale))
        return reference.gradients.map { gradients in
            matrices[1].base.update(from: gradients.map { $0 / scale }, count: rows * columns)
            muonUpdate(
                parameters: matrices[0], gradients: matrices[1], momentumBuffer: matrices[2], step,
                precision: precision)
            return Array(UnsafeBufferPointer(start: matrices[0].base, count: rows * columns))
        }
    }

    @Test(arguments: cases)
    func stepsMatchTorch(reference: Case) {
        for (ours, expected) in zip(steps(reference, scale: 0.5), reference.after) {
            for (our, torch) in zip(ours, expected) { #expect(abs(our - torch) < 2e-5, "\(our), torch \(torch)") }
        }
    }

    @Test(.enabled(if: Precision.hasBFloat16, "this CPU does not support bfloat16"), arguments: cases)
    func bfloat16StepIsCloseToFloat32(reference: Case) {
        let (exact, rounded) = (steps(reference), steps(reference, precision: .bfloat16))
        var (moved, differs) = (0.0, 0.0)
        for index in reference.before.indices {
            moved += pow(Double(exact[0][index] - reference.before[index]), 2)
            differs += pow(Double(exact[0][index] - rounded[0][index]), 2)
        }
        #expect(differs.squareRoot() < 0.06 * moved.squareRoot(), "\(differs.squareRoot() / moved.squareRoot())")
    }

    /// Uses shapes larger than the blocks of the symmetric products.
    @Test(arguments: [(200, 500), (500, 200)])
    func singularValuesAreNearOne(rows: Int, columns: Int) {
        let arena = Arena(bytes: 3 * Arena.rounded(4 * rows * columns) + 4 * 200 * 200)
        let (parameters, gradients, buffer) = (
            arena.matrix(rows: rows, columns: columns), arena.matrix(rows: rows, columns: columns),
            arena.matrix(rows: rows, columns: columns)
        )
        var generator = SystemRandomNumberGenerator()
        for index in 0..<rows * columns { gradients.base[index] = Float.random(in: -1...1, using: &generator) }
        let length = 0.2 * Double(max(rows, columns)).squareRoot()
        muonUpdate(
            parameters: parameters, gradients: gradients, momentumBuffer: buffer,
            MuonStep(learningRate: 1 / length, momentum: 0, weightDecay: 0, gradientScale: 1), precision: .float32)
        // The result is −U·Vᵀ. The diagonal of its Gram matrix holds squared row norms, which are about 1.
        let gram = arena.matrix(rows: 200, columns: 200)
        if rows < columns {
            matrixProduct(gram, parameters, .asIs, parameters, .transposed)
        } else {
            matrixProduct(gram, parameters, .transposed, parameters, .asIs)
        }
        for row in 0..<200 {
            #expect((0.6...1.4).contains(gram.row(row)[row]), "row \(row): \(gram.row(row)[row])")
        }
    }
}
