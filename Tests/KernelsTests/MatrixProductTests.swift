import Kernels
import Random
import Testing

/// Compares every implementation of the matrix product with plain loops in double precision, at shapes on both sides of
/// every block boundary.
@Suite struct MatrixProductTests {
    /// Implementation of the product.
    enum Kind: String, CaseIterable, CustomTestStringConvertible {
        /// The implementation that `matrixProduct` selects for the shape.
        case fitting
        case blas, packed, bfloat16

        var isHere: Bool {
            switch self {
            case .fitting, .blas: true
            case .packed: Precision.hasPackedFloat32
            case .bfloat16: Precision.hasBFloat16
            }
        }

        /// Returns the maximum error of a sum of k products of values in [−0.5, 0.5).
        func tolerance(inner k: Int) -> Double {
            // The rounding error of a bfloat16 operand is at most 2⁻⁹ of its value; in float32 the rounding of the
            // growing sum dominates. With k products of two operands and random signs, errors grow with √k.
            (self == .bfloat16 ? 0x1p-10 : 0x1p-21) * Double(k).squareRoot() + 1e-6
        }

        var testDescription: String { rawValue }
    }

    static let shapes = [
        (1, 1, 1), (1, 300, 64), (3, 5, 7), (16, 48, 32), (15, 17, 49), (17, 47, 1), (49, 15, 47), (17, 50, 33),
        (8, 100, 2), (130, 70, 96), (250, 30, 511), (30, 250, 257), (241, 97, 300), (515, 40, 64), (40, 1030, 32),
        (20, 40, 9000), (5, 7, 0),
    ]

    static let kinds = Kind.allCases.filter(\.isHere)

    @Test(arguments: kinds, shapes)
    func matchesNaiveProduct(kind: Kind, shape: (m: Int, n: Int, k: Int)) {
        let (m, n, k) = shape
        let arena = Arena(bytes: 2 * 4 * (m + 9) * (k + 9) + 2 * 4 * (k + 9) * (n + 9) + 4 * m * (n + 9) + 4096)
        let a = Factor(arena, rows: m, columns: k, seed: 1)
        let b = Factor(arena, rows: k, columns: n, seed: 2)
        let c = arena.matrix(rows: m, columns: n + 9).columns(3..<n + 3)
        let exact = (0..<m).map { row in
            (0..<n).map { column in
                (0..<k).reduce(0) { $0 + Double(a.matrix.row(row)[$1]) * Double(b.matrix.row($1)[column]) }
            }
        }
        for aForm in [Transposition.asIs, .transposed] {
            for bForm in [Transposition.asIs, .transposed] {
                for beta: Float in [0, 1] {
                    for row in 0..<m { (c.row(row) - 3).update(repeating: 0.5, count: n + 9) }
                    multiply(kind, c, a.operand(aForm), aForm, b.operand(bForm), bForm, inner: k, beta: beta)
                    var worst = 0.0
                    for row in 0..<m {
                        for column in 0..<n {
                            let expected = exact[row][column] + 0.5 * Double(beta)
                            worst = max(worst, abs(Double(c.row(row)[column]) - expected))
                        }
                        #expect((-3..<0).allSatisfy { c.row(row)[$0] == 0.5 }, "before row \(row)")
                        #expect((n..<n + 6).allSatisfy { c.row(row)[$0] == 0.5 }, "behind row \(row)")
                    }
                    #expect(worst <= kind.tolerance(inner: k), "a \(aForm), b \(bForm), beta \(beta)")
                }
            }
        }
    }

    private func multiply(
        _ kind: Kind, _ c: Matrix, _ a: Matrix, _ aForm: Transposition, _ b: Matrix, _ bForm: Transposition,
        inner k: Int, beta: Float
    ) {
        switch kind {
        case .fitting: matrixProduct(c, a, aForm, b, bForm, beta: beta)
        case .blas: blasProduct(c, a, aForm, b, bForm, inner: k, beta: beta)
        case .packed: packedProduct(c, a, aForm, b, bForm, inner: k, beta: beta, precision: .float32)
        case .bfloat16: matrixProduct(c, a, aForm, b, bForm, beta: beta, precision: .bfloat16)
        }
    }

    /// A matrix of values in [−0.5, 0.5) and its transpose, both as views of wider rows that are otherwise NaN.
    private struct Factor {
        let matrix: Matrix
        let transposed: Matrix

        init(_ arena: Arena, rows: Int, columns: Int, seed: UInt64) {
            func wide(_ rows: Int, _ columns: Int) -> Matrix {
                let whole = arena.matrix(rows: rows, columns: columns + 5)
                whole.base.update(repeating: .nan, count: rows * whole.stride)
                return whole.columns(2..<columns + 2)
            }
            (matrix, transposed) = (wide(rows, columns), wide(columns, rows))
            let philox = Philox(seed: seed, purpose: .initialization)
            for row in 0..<rows {
                for column in 0..<columns {
                    let word = philox.block(step: UInt32(row), index: UInt64(column))[0]
                    matrix.row(row)[column] = Philox.uniform(word) - 0.5
                    transposed.row(column)[row] = matrix.row(row)[column]
                }
            }
        }

        /// Returns the matrix that gives the same operand in the given form.
        func operand(_ form: Transposition) -> Matrix { form == .asIs ? matrix : transposed }
    }
}
