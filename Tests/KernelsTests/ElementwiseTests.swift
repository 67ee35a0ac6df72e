import CKernels
import Foundation
import Kernels
import Random
import Testing

/// Compares the C loops with the same formulas in double precision, at lengths with every kind of remainder.
@Suite struct ElementwiseTests {
    static let lengths = [1, 2, 15, 16, 17, 64, 100, 771]

    @Test func geluMatchesErfc() {
        let x = (0..<20_001).map { Float($0 - 10_000) / 1_000 }
        let zero = [Float](repeating: 0, count: x.count)
        var (y, kept) = (zero, x)
        kb_bias_gelu(&y, &kept, zero, x.count)
        for (value, result) in zip(x, y) {
            let exact = Double(value) * 0.5 * erfc(-Double(value) / 2.0.squareRoot())
            #expect(abs(Double(result) - exact) < 2e-6, "gelu(\(value)) is \(result), should be \(exact)")
        }
        #expect(kept == x)
    }

    @Test(arguments: lengths)
    func softmaxMatchesDoublePrecisionAndHandlesLargeInputs(count: Int) {
        let scores = random(count, seed: 3, scale: 40)
        var probabilities = scores
        kb_softmax(&probabilities, count, 0.5)
        let top = Double(scores.max()!)
        let sum = scores.reduce(0) { $0 + exp(0.5 * (Double($1) - top)) }
        for (score, probability) in zip(scores, probabilities) {
            #expect(abs(Double(probability) - exp(0.5 * (Double(score) - top)) / sum) < 1e-6)
        }
        var shifted = scores.map { $0 + 1e4 }
        kb_softmax(&shifted, count, 0.5)
        #expect(shifted.allSatisfy { $0.isFinite })
    }

    @Test(arguments: lengths)
    func crossEntropyAndGradientMatchDoublePrecision(count: Int) {
        let (products, bias) = (random(count, seed: 4, scale: 6), random(count, seed: 9))
        let logits = zip(products, bias).map { $0 + $1 }
        let label = count / 2
        var (kept, gradient, best) = (products, products, -1)
        let loss = kb_cross_entropy(&gradient, bias, count, label, 0.25, &best)
        #expect(kb_cross_entropy(&kept, bias, count, label, 0, &best) == loss && kept == logits)
        let sum = logits.reduce(0) { $0 + exp(Double($1)) }
        #expect(abs(Double(loss) - (log(sum) - Double(logits[label]))) < 1e-5)
        #expect(best == logits.firstIndex(of: logits.max()!))
        for index in 0..<count {
            let wanted = 0.25 * (exp(Double(logits[index])) / sum - (index == label ? 1 : 0))
            #expect(abs(Double(gradient[index]) - wanted) < 1e-6)
        }
    }

    @Test(arguments: lengths)
    func layerNormMatchesDoublePrecisionAndFiniteDifference(count: Int) {
        let (x, weight, bias, dy) = (
            random(count, seed: 5), random(count, seed: 6), random(count, seed: 7), random(count, seed: 8)
        )
        var (y, mean, rstd): ([Float], Float, Float) = (x, 0, 0)
        kb_layer_norm(&y, &mean, &rstd, x, weight, bias, count, 1e-5)
        func normed(_ x: [Double]) -> [Double] {
            let mean = x.reduce(0, +) / Double(count)
            let variance = x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(count)
            return x.indices.map {
                (x[$0] - mean) / (variance + 1e-5).squareRoot() * Double(weight[$0]) + Double(bias[$0])
            }
        }
        for (ours, exact) in zip(y, normed(x.map(Double.init))) { #expect(abs(Double(ours) - exact) < 1e-5) }

        guard count > 2 else { return }  // the normalized values of two elements are constant, up to epsilon
        var dx = x
        kb_layer_norm_backward(&dx, dy, x, weight, mean, rstd, count)
        for index in stride(from: 0, to: count, by: max(1, count / 7)) {
            func along(_ distance: Double) -> Double {
                var moved = x.map(Double.init)
                moved[index] += distance
                return zip(normed(moved), dy).reduce(0) { $0 + $1.0 * Double($1.1) }
            }
            let slope = (along(1e-4) - along(-1e-4)) / 2e-4
            #expect(abs(Double(dx[index]) - slope) < 1e-3 * max(1, abs(slope)))
        }
    }

    @Test func writesStayWithinBuffer() {
        for count in Self.lengths {
            var guarded = [Float](repeating: 7, count: count + 32)
            guarded.withUnsafeMutableBufferPointer { buffer in
                let inner = buffer.baseAddress! + 16
                kb_softmax(inner, count, 1)
                kb_add(inner, inner, count)
            }
            #expect(guarded[..<16].allSatisfy { $0 == 7 } && guarded[(count + 16)...].allSatisfy { $0 == 7 })
        }
    }

    private func random(_ count: Int, seed: UInt64, scale: Float = 2) -> [Float] {
        let philox = Philox(seed: seed, purpose: .initialization)
        return (0..<count).map { (Philox.uniform(philox.block(step: 0, index: UInt64($0))[0]) - 0.5) * scale }
    }
}
