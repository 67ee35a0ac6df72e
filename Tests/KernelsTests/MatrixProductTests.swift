import Kernels
import Random
import Testing

/// Products against three plain loops, at shapes on either side of every cut.
@Suite struct MatrixProductTests {
    @Test(arguments: [
        (1, 1, 1), (1, 300, 64), (3, 5, 7), (17, 33, 65), (130, 70, 96), (70, 130, 40), (515, 40, 64), (40, 1030, 32),
    ])
    func agreesWithPlainLoops(m: Int, n: Int, k: Int) {
        let arena = Arena(bytes: 4 * (m * k + k * n + 2 * m * n) + 1024)
        let (a, b) = (arena.matrix(rows: m, columns: k), arena.matrix(rows: k, columns: n))
        let (at, bt) = (transposed(fill(a, seed: 1)), transposed(fill(b, seed: 2)))
        let (c, expected) = (arena.matrix(rows: m, columns: n), arena.matrix(rows: m, columns: n))
        for row in 0..<m {
            for column in 0..<n {
                expected.row(row)[column] = (0..<k).reduce(0) { $0 + a.row(row)[$1] * b.row($1)[column] }
            }
        }
        for (left, leftForm) in [(a, Transposition.asIs), (at.matrix, .transposed)] {
            for (right, rightForm) in [(b, Transposition.asIs), (bt.matrix, .transposed)] {
                for beta: Float in [0, 1] {
                    for index in 0..<m * n { c.base[index] = 0.5 }
                    matrixProduct(c, left, leftForm, right, rightForm, beta: beta)
                    for index in 0..<m * n {
                        #expect(abs(c.base[index] - expected.base[index] - 0.5 * beta) < 1e-4)
                    }
                }
            }
        }
    }

    @Test func aViewOfWiderRowsIsLeftAloneBesideIt() {
        let arena = Arena(bytes: 1 << 20)
        let wide = arena.matrix(rows: 20, columns: 48)
        for index in 0..<20 * 48 { wide.base[index] = 7 }
        let (a, b) = (arena.matrix(rows: 20, columns: 8), arena.matrix(rows: 16, columns: 8))
        _ = (fill(a, seed: 3), fill(b, seed: 4))
        linearForward(wide.columns(16..<32), x: a, weight: b)
        for row in 0..<20 {
            for column in 0..<48 where !(16..<32).contains(column) { #expect(wide.row(row)[column] == 7) }
            #expect(wide.row(row)[16] != 7)
        }
    }

    private func fill(_ matrix: Matrix, seed: UInt64) -> Matrix {
        let philox = Philox(seed: seed, purpose: .initialization)
        for index in 0..<matrix.rows * matrix.columns {
            matrix.base[index] = Philox.uniform(philox.block(step: 0, index: UInt64(index))[0]) - 0.5
        }
        return matrix
    }

    private func transposed(_ matrix: Matrix) -> (matrix: Matrix, arena: Arena) {
        let arena = Arena(bytes: 4 * matrix.rows * matrix.columns + 64)
        let result = arena.matrix(rows: matrix.columns, columns: matrix.rows)
        for row in 0..<matrix.rows {
            for column in 0..<matrix.columns { result.row(column)[row] = matrix.row(row)[column] }
        }
        return (result, arena)
    }
}
