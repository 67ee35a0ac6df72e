import CKernels
import Foundation
import Kernels
import Random
import Testing

/// `make test-levels` runs these and the other tests of kernels at each level.
@Suite struct CPULevelTests {
    static let wish = ProcessInfo.processInfo.environment["KANTAIBERT_CPU_LEVEL"]

    @Test(arguments: [("baseline", KB_BASELINE), ("avx2", KB_AVX2), ("avx512", KB_AVX512), ("native", KB_NATIVE)])
    func levelHasName(name: String, level: Int) {
        #expect(kb_cpu_level_named(name) == level)
        #expect(kb_cpu_level_name(Int32(level)).map { String(cString: $0) } == name)
    }

    @Test(arguments: ["", "AVX2", "avx", "avx2 ", "3"])
    func otherNameIsNoLevel(name: String) {
        #expect(kb_cpu_level_named(name) == -1)
    }

    @Test func environmentLimitsKernels() {
        let limit = kb_cpu_level_named(Self.wish ?? "native")
        #expect(kb_cpu_limit() == limit)
        #expect(MachineRates.levelLimit == (limit < KB_NATIVE ? Self.wish : nil))
        #expect(kb_vector_level() <= limit)
        #expect((kb_has_avx2() != 0) == (kb_vector_level() >= KB_AVX2))
        #expect((kb_has_avx512() != 0) == (kb_vector_level() >= KB_AVX512))
        if limit < KB_NATIVE { #expect(kb_has_bf16() == 0 && kb_has_vnni() == 0) }
    }

    /// A level includes all of its instructions.
    @Test func kernelsUseWhatLevelAllows() throws {
        let cpuinfo = try String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)
        let flags = Set(cpuinfo.split { $0 == " " || $0 == "\n" }.map(String.init))
        let level3: Set = ["avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe"]
        let level4 = level3.union(["avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"])
        let limit = Int(kb_cpu_limit())
        #expect((kb_has_avx2() != 0) == (flags.isSuperset(of: level3) && limit >= KB_AVX2))
        #expect((kb_has_avx512() != 0) == (flags.isSuperset(of: level4) && limit >= KB_AVX512))
        #expect((kb_has_bf16() != 0) == (flags.isSuperset(of: level4.union(["avx512_bf16"])) && limit >= KB_NATIVE))
        #expect((kb_has_vnni() != 0) == (flags.isSuperset(of: level4.union(["avx512_vnni"])) && limit >= KB_NATIVE))
    }

    /// What is measured at a lower level must not be used at another.
    @Test func lowerLevelIsAnotherProcessor() {
        let instructions = Processor.current.instructions
        #expect(instructions.contains("avx2") == (kb_has_avx2() != 0))
        #expect(instructions.contains("avx512f") == (kb_has_avx512() != 0))
        #expect(instructions.contains("avx512_bf16") == (kb_has_bf16() != 0))
        #expect(instructions.contains("avx512_vnni") == (kb_has_vnni() != 0))
    }
}

/// Tests the kernels for AVX2 on every CPU that has it, also where those for AVX-512 are used.
@Suite(.enabled(if: kb_has_avx2() != 0, "this CPU has no AVX2, or KANTAIBERT_CPU_LEVEL excludes it"))
struct AVX2KernelTests {
    /// Elements in [−0.5, 0.5), as rows of `columns` elements in wider rows that are otherwise NaN.
    private struct Operand {
        let columns: Int
        var elements: [Float]
        var stride: Int { columns + 5 }

        init(rows: Int, columns: Int, seed: UInt64) {
            self.columns = columns
            elements = [Float](repeating: .nan, count: rows * (columns + 5) + 8)
            let philox = Philox(seed: seed, purpose: .initialization)
            for row in 0..<rows {
                for column in 0..<columns {
                    let word = philox.block(step: UInt32(row), index: UInt64(column))[0]
                    elements[row * stride + column] = Philox.uniform(word) - 0.5
                }
            }
        }

        subscript(row: Int, column: Int) -> Double { Double(elements[row * stride + column]) }
    }

    /// Packed operands begin as NaN, and results are surrounded by 0.25.
    private static func packed(_ count: Int, _ k: Int) -> [UInt32] {
        [UInt32](repeating: Float.nan.bitPattern, count: (count + 15) / 16 * 16 * k + 16)
    }

    private static func expect(
        _ c: [Float], stride: Int, _ m: Int, _ n: Int, k: Int, _ what: String, exact: (Int, Int) -> Double
    ) {
        var worst = 0.0
        var overwritten = 0
        for row in 0..<m {
            for column in 0..<stride {
                let value = c[row * stride + column]
                if column >= n {
                    overwritten += value == 0.25 ? 0 : 1
                } else {
                    let error = abs(Double(value) - exact(row, column))
                    worst = error > worst || error.isNaN ? error : worst
                }
            }
        }
        #expect(worst <= 0x1p-21 * Double(k).squareRoot() + 1e-6, "\(what)")
        #expect(overwritten == 0, "\(what)")
    }

    @Test(arguments: MatrixProductTests.shapes)
    func productMatchesNaiveProduct(shape: (m: Int, n: Int, k: Int)) {
        let (m, n, k) = shape
        for form in 0..<8 {
            let (aAlongRow, bAlongRow, add) = (form & 1 == 1, form & 2 == 2, form >> 2)
            let a = Operand(rows: aAlongRow ? m : k, columns: aAlongRow ? k : m, seed: 1)
            let b = Operand(rows: bAlongRow ? n : k, columns: bAlongRow ? k : n, seed: 2)
            var (left, right) = (Self.packed(m, k), Self.packed(n, k))
            kb_f32_pack_left_avx2(&left, a.elements, a.stride, m, k, aAlongRow ? 1 : 0)
            kb_f32_pack_right_avx2(&right, b.elements, b.stride, n, k, bAlongRow ? 1 : 0)
            let stride = n + 9
            var c = [Float](repeating: 0.25, count: m * stride)
            kb_f32_product_avx2(&c, stride, m, n, k, left, right, Int32(add))
            Self.expect(c, stride: stride, m, n, k: k, "a along rows \(aAlongRow), b \(bAlongRow), add \(add)") {
                row, column in
                (0..<k).reduce(0.25 * Double(add)) {
                    $0 + (aAlongRow ? a[row, $1] : a[$1, row]) * (bAlongRow ? b[column, $1] : b[$1, column])
                }
            }
        }
    }

    @Test(arguments: PackedWeightTests.shapes)
    func rowsMatchNaiveProduct(shape: (m: Int, n: Int, k: Int)) {
        let (m, n, k) = shape
        let (x, weight) = (Operand(rows: m, columns: k, seed: 3), Operand(rows: n, columns: k, seed: 4))
        var packed = Self.packed(n, k)
        kb_f32_pack_right_avx2(&packed, weight.elements, weight.stride, n, k, 1)
        let stride = n + 9
        var y = [Float](repeating: 0.25, count: m * stride)
        packed.withUnsafeBytes { bytes in
            kb_f32_rows_avx2(
                &y, stride, m, n, k, x.elements, x.stride, bytes.baseAddress!.assumingMemoryBound(to: Float.self))
        }
        Self.expect(y, stride: stride, m, n, k: k, "\(shape)") { row, column in
            (0..<k).reduce(0) { $0 + x[row, $1] * weight[column, $1] }
        }
    }

    /// Weights packed on any CPU, and by `kb_f32_pack_right`, have the same layout.
    @Test(arguments: [(16, 33), (5, 64), (9, 1)])
    func packsWeightsLikeRightOperand(count: Int, k: Int) {
        let weight = Operand(rows: count, columns: k, seed: 5)
        var right = Self.packed(count, k)
        kb_f32_pack_right_avx2(&right, weight.elements, weight.stride, count, k, 1)
        var portable = [Float](repeating: .nan, count: 16 * k)
        kb_f32_pack_weights(&portable, weight.elements, weight.stride, count, k)
        #expect(portable.map(\.bitPattern) == Array(right.prefix(16 * k)))
    }

    @Test(arguments: PackedWeightTests.shapes)
    func int8RowsAreBitIdenticalToPortable(shape: (m: Int, n: Int, k: Int)) {
        let (m, n, k) = shape
        let (length, outputs) = ((k + 3) / 4, (n + 15) / 16 * 16)
        let philox = Philox(seed: 8, purpose: .initialization)
        func words(_ count: Int, step: UInt32) -> [UInt32] {
            (0..<count).map { philox.block(step: step, index: UInt64($0))[0] }
        }
        // Every byte but −128, which no packed weight is.
        let weights = words(outputs * length, step: 0).map { word in
            (0..<4).reduce(UInt32(0)) {
                let byte = word >> UInt32(8 * $1) & 255
                return $0 | (byte == 128 ? 0 : byte) << UInt32(8 * $1)
            }
        }
        let x = words(m * length, step: 1)
        let sums = words(outputs, step: 2).map { Int32($0 >> 16) }
        let scales = words(outputs, step: 3).map(Philox.uniform)
        let rowScales = words(m, step: 4).map(Philox.uniform)
        let stride = n + 9
        var fast = [Float](repeating: 0.25, count: m * stride)
        var portable = fast
        kb_s8_rows_avx2(&fast, stride, m, n, k, x, rowScales, weights, scales, sums)
        kb_s8_rows_portable(&portable, stride, m, n, k, x, rowScales, weights, scales, sums)
        #expect(fast == portable)
    }
}
