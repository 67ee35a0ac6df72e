import Kernels
import Random
import Testing

/// Compares products with packed weights to plain loops in double precision, for one row and for many, with and without
/// the CPU-specific kernels.
@Suite struct PackedWeightTests {
    static let shapes = [
        (1, 1, 1), (1, 300, 64), (2, 5, 7), (3, 16, 32), (8, 17, 49), (9, 33, 1), (16, 47, 130), (16, 200, 257),
        (17, 50, 33), (40, 259, 515), (250, 70, 96),
    ]
    static let ways = WeightPrecision.allCases.flatMap { precision in
        [true, false].filter { !$0 || precision.isFast }.map { (precision, $0) }
    }

    /// Returns values in [−0.5, 0.5), surrounded by NaN that must not be read.
    static func numbers(_ arena: Arena, rows: Int, columns: Int, seed: UInt64) -> Matrix {
        let whole = arena.matrix(rows: rows, columns: columns + 5)
        whole.base.update(repeating: .nan, count: rows * whole.stride)
        let matrix = whole.columns(2..<columns + 2)
        let philox = Philox(seed: seed, purpose: .initialization)
        for row in 0..<rows {
            for column in 0..<columns {
                matrix.row(row)[column] =
                    Philox.uniform(philox.block(step: UInt32(row), index: UInt64(column))[0]) - 0.5
            }
        }
        return matrix
    }

    static func packed(
        _ arena: Arena, _ weight: Matrix, _ precision: WeightPrecision, expandsBFloat16: Bool = false
    ) -> PackedWeight {
        let bytes = PackedWeight.bytes(outFeatures: weight.rows, inFeatures: weight.columns, precision)
        let packed = PackedWeight(
            arena.take(UInt8.self, bytes), outFeatures: weight.rows, inFeatures: weight.columns, precision,
            expandsBFloat16: expandsBFloat16)
        let half = weight.rows / 2 / 16 * 16
        packed.pack(weight.rows(0..<half), at: 0)
        packed.pack(weight.rows(half..<weight.rows), at: half)
        return packed
    }

    static func arena(_ m: Int, _ n: Int, _ k: Int) -> Arena {
        Arena(bytes: 4 * (m * (k + 5) + (n + 16) * (2 * k + 12) + 3 * m * (n + 9)) + 4096)
    }

    /// Returns the maximum error of a sum of k products of values in [−0.5, 0.5).
    static func tolerance(_ precision: WeightPrecision, inner k: Int) -> Double {
        switch precision {
        case .float32: 0x1p-21 * Double(k).squareRoot() + 1e-6
        // The rounding error of an operand is at most 2⁻⁹ of its value; with random signs, errors grow with √k.
        case .bfloat16: 0x1p-10 * Double(k).squareRoot() + 1e-6
        // The error of each operand is at most half of 1/127 of 0.5, times 0.5; allows four standard
        // deviations of k errors.
        case .int8: 0x1p-9 * Double(k).squareRoot() + 0x1p-8
        }
    }

    @Test(arguments: ways, shapes)
    func matchesNaiveProduct(way: (precision: WeightPrecision, isFast: Bool), shape: (m: Int, n: Int, k: Int)) {
        let (m, n, k) = shape
        let arena = Self.arena(m, n, k)
        let x = Self.numbers(arena, rows: m, columns: k, seed: 1)
        let weight = Self.numbers(arena, rows: n, columns: k, seed: 2)
        let packed = Self.packed(arena, weight, way.precision)
        let y = arena.matrix(rows: m, columns: n + 9).columns(3..<n + 3)
        for row in 0..<m { (y.row(row) - 3).update(repeating: 0.25, count: n + 9) }
        packedForward(y, x: x, weight: packed, isFast: way.isFast)
        var worst = 0.0
        for row in 0..<m {
            for output in 0..<n {
                let exact = (0..<k).reduce(0) { $0 + Double(x.row(row)[$1]) * Double(weight.row(output)[$1]) }
                worst = max(worst, abs(Double(y.row(row)[output]) - exact))
            }
            #expect((-3..<0).allSatisfy { y.row(row)[$0] == 0.25 }, "before row \(row)")
            #expect((n..<n + 6).allSatisfy { y.row(row)[$0] == 0.25 }, "behind row \(row)")
        }
        #expect(worst <= Self.tolerance(way.precision, inner: k))
    }

    /// Requires bit-identical results for both orders. In float32 and bfloat16 a row spans several ranges,
    /// the last one shorter.
    @Test(arguments: ways, [AccumulationOrder.straight, .blocked])
    func rowResultIsIndependentOfOtherRows(way: (precision: WeightPrecision, isFast: Bool), order: AccumulationOrder) {
        let (m, n, k) = (50, 83, 1_060)
        let arena = Self.arena(m, n, k)
        let x = Self.numbers(arena, rows: m, columns: k, seed: 3)
        let packed = Self.packed(arena, Self.numbers(arena, rows: n, columns: k, seed: 4), way.precision)
        let (together, alone) = (arena.matrix(rows: m, columns: n), arena.matrix(rows: m, columns: n))
        func product(_ y: Matrix, _ rows: Range<Int>) {
            packedForward(y.rows(rows), x: x.rows(rows), weight: packed, order: order, isFast: way.isFast)
        }
        for row in 0..<m { product(alone, row..<row + 1) }
        for rows in Array(1...18) + [31, 33, 48, m] {
            product(together, 0..<rows)
            let differ = (0..<rows * n).count { together.base[$0] != alone.base[$0] }
            #expect(differ == 0, "\(rows) rows")
        }
    }

    private static func roundedToBFloat16(_ x: Float) -> Double {
        let bits = x.bitPattern
        return Double(Float(bitPattern: (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF_0000))
    }

    /// The tolerance is float32's: both operands are rounded as by the bfloat16 kernels, and nothing else is.
    @Test(.enabled(if: MachineRates.hasOwnFloat32, "this CPU has no AVX2"), arguments: shapes)
    func expandedBFloat16MultipliesRoundedOperands(shape: (m: Int, n: Int, k: Int)) {
        let (m, n, k) = shape
        let arena = Self.arena(m, n, k)
        let x = Self.numbers(arena, rows: m, columns: k, seed: 1)
        let weight = Self.numbers(arena, rows: n, columns: k, seed: 2)
        let packed = Self.packed(arena, weight, .bfloat16, expandsBFloat16: true)
        let y = arena.matrix(rows: m, columns: n + 9).columns(3..<n + 3)
        for row in 0..<m { (y.row(row) - 3).update(repeating: 0.25, count: n + 9) }
        packedForward(y, x: x, weight: packed, order: .blocked, isFast: WeightPrecision.bfloat16.isFast)
        var worst = 0.0
        for row in 0..<m {
            for output in 0..<n {
                let exact = (0..<k).reduce(0) {
                    $0 + Self.roundedToBFloat16(x.row(row)[$1]) * Self.roundedToBFloat16(weight.row(output)[$1])
                }
                worst = max(worst, abs(Double(y.row(row)[output]) - exact))
            }
            #expect((-3..<0).allSatisfy { y.row(row)[$0] == 0.25 }, "before row \(row)")
            #expect((n..<n + 6).allSatisfy { y.row(row)[$0] == 0.25 }, "behind row \(row)")
        }
        #expect(worst <= Self.tolerance(.float32, inner: k))
        let alone = arena.matrix(rows: 1, columns: n)
        packedForward(
            alone, x: x.rows(m - 1..<m), weight: packed, order: .blocked, isFast: WeightPrecision.bfloat16.isFast)
        #expect((0..<n).allSatisfy { alone.base[$0] == y.row(m - 1)[$0] })
    }

    @Test(.enabled(if: MachineRates.hasOwnFloat32, "this CPU has no AVX2"))
    func expandedBFloat16PropagatesNonFiniteValues() {
        for bad in [Float.nan, .infinity] {
            let arena = Self.arena(20, 20, 40)
            let x = Self.numbers(arena, rows: 20, columns: 40, seed: 7)
            let weight = Self.numbers(arena, rows: 20, columns: 40, seed: 8)
            weight.row(17)[3] = bad
            let y = arena.matrix(rows: 20, columns: 20)
            packedForward(
                y, x: x, weight: Self.packed(arena, weight, .bfloat16, expandsBFloat16: true), order: .blocked,
                isFast: WeightPrecision.bfloat16.isFast)
            #expect(!y.row(1)[17].isFinite && y.row(1)[16].isFinite, "\(bad)")
        }
    }

    @Test(.enabled(if: WeightPrecision.int8.isFast, "this CPU has no AVX2"))
    func int8KernelsAreBitIdentical() {
        let (m, n, k) = (11, 83, 301)
        let arena = Self.arena(m, n, k)
        let x = Self.numbers(arena, rows: m, columns: k, seed: 5)
        let packed = Self.packed(arena, Self.numbers(arena, rows: n, columns: k, seed: 6), .int8)
        let (fast, portable) = (arena.matrix(rows: m, columns: n), arena.matrix(rows: m, columns: n))
        packedForward(fast, x: x, weight: packed, isFast: true)
        packedForward(portable, x: x, weight: packed, isFast: false)
        for index in 0..<m * n { #expect(fast.base[index] == portable.base[index]) }
    }

    @Test(arguments: ways)
    func propagatesNonFiniteValues(way: (precision: WeightPrecision, isFast: Bool)) {
        for bad in [Float.nan, .infinity] {
            for inWeight in [true, false] {
                let arena = Self.arena(2, 20, 40)
                let x = Self.numbers(arena, rows: 2, columns: 40, seed: 7)
                let weight = Self.numbers(arena, rows: 20, columns: 40, seed: 8)
                if inWeight { weight.row(17)[3] = bad } else { x.row(1)[3] = bad }
                let y = arena.matrix(rows: 2, columns: 20)
                packedForward(y, x: x, weight: Self.packed(arena, weight, way.precision), isFast: way.isFast)
                #expect(!y.row(1)[17].isFinite, "\(bad), in the weight: \(inWeight)")
                #expect(y.row(0)[16].isFinite)
            }
        }
    }

    @Test(arguments: WeightPrecision.allCases)
    func zeroInputGivesZeroOutput(precision: WeightPrecision) {
        let arena = Self.arena(1, 20, 40)
        let (x, weight) = (arena.matrix(rows: 1, columns: 40), arena.matrix(rows: 20, columns: 40))
        let y = arena.matrix(rows: 1, columns: 20)
        y.base.update(repeating: 1, count: 20)
        linearForward(y, x: x, weight: Self.packed(arena, weight, precision))
        #expect((0..<20).allSatisfy { y.base[$0] == 0 })
    }
}
