import Kernels
import Random
import Testing

/// Products of bfloat16 factors against the same in float32, at shapes that leave every kind of remainder.
@Suite(.enabled(if: Precision.hasBFloat16, "this CPU has no AVX512_BF16"))
struct BFloat16ProductTests {
    @Test(arguments: [
        (1, 1, 1), (3, 5, 7), (16, 48, 32), (17, 50, 33), (8, 100, 2), (250, 30, 511), (30, 250, 256), (241, 97, 300),
        (20, 40, 9000),
    ])
    func agreesWithFloat32UpToRounding(m: Int, n: Int, k: Int) {
        let arena = Arena(bytes: 8 * (m * k + k * n + m * n) + 4096)
        let (a, at) = pair(arena, m, k, seed: 1)
        let (b, bt) = pair(arena, k, n, seed: 2)
        let (c, expected) = (arena.matrix(rows: m, columns: n), arena.matrix(rows: m, columns: n))
        for (left, leftForm) in [(a, Transposition.asIs), (at, .transposed)] {
            for (right, rightForm) in [(b, Transposition.asIs), (bt, .transposed)] {
                for beta: Float in [0, 1] {
                    for index in 0..<m * n { (c.base[index], expected.base[index]) = (0.5, 0.5) }
                    matrixProduct(expected, left, leftForm, right, rightForm, beta: beta)
                    matrixProduct(c, left, leftForm, right, rightForm, beta: beta, precision: .bfloat16)
                    // A factor's rounding error is at most 2⁻⁹ of it; of k products of two, at random signs, about √k.
                    let allowed = 0x1p-8 * Float(k).squareRoot() * 0.25 + 1e-6
                    for index in 0..<m * n {
                        #expect(abs(c.base[index] - expected.base[index]) < allowed, "element \(index)")
                    }
                }
            }
        }
    }

    @Test func whatIsBesideAViewIsLeftAlone() {
        let arena = Arena(bytes: 1 << 20)
        let wide = arena.matrix(rows: 20, columns: 80)
        for index in 0..<20 * 80 { wide.base[index] = 7 }
        let (a, _) = pair(arena, 20, 40, seed: 3)
        let (b, _) = pair(arena, 37, 40, seed: 4)
        linearForward(wide.columns(16..<53), x: a, weight: b, precision: .bfloat16)
        for row in 0..<20 {
            for column in 0..<80 { #expect((wide.row(row)[column] == 7) == !(16..<53).contains(column)) }
        }
    }

    /// A matrix of numbers in [−0.5, 0.5), and its transpose.
    private func pair(_ arena: Arena, _ rows: Int, _ columns: Int, seed: UInt64) -> (Matrix, Matrix) {
        let (matrix, turned) = (arena.matrix(rows: rows, columns: columns), arena.matrix(rows: columns, columns: rows))
        let philox = Philox(seed: seed, purpose: .initialization)
        for row in 0..<rows {
            for column in 0..<columns {
                let word = philox.block(step: UInt32(row), index: UInt64(column))[0]
                matrix.row(row)[column] = Philox.uniform(word) - 0.5
                turned.row(column)[row] = matrix.row(row)[column]
            }
        }
        return (matrix, turned)
    }
}
