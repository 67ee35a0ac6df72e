import CBLAS
import CKernels
import Parallel

/// The math libraries and CPU features that this machine uses for matrix products.
public enum MachineRates {
    /// OpenBLAS's version and build configuration, and the CPU type it selected its kernels for.
    public static var blas: String {
        let configuration = openblas_get_config().map { String(cString: $0) } ?? "BLAS"
        let words = configuration.split(separator: " ").prefix(2).joined(separator: " ")
        return "\(words), kernels for \(blasCore)"
    }

    /// The CPU type that OpenBLAS selected its kernels for, such as `Haswell`.
    public static var blasCore: String {
        openblas_get_corename().map { String(cString: $0) } ?? "an unknown processor"
    }

    /// Whether kernels may use AVX2, FMA and the rest of x86-64-v3.
    package static let hasAVX2 = kb_has_avx2() != 0
    /// Whether kernels may use the AVX-512 of x86-64-v4.
    public static let hasAVX512 = kb_has_avx512() != 0
    /// Whether float32 products run on this project's kernels, and BLAS is not used.
    public static var hasOwnFloat32: Bool { Precision.hasPackedFloat32 }
    /// Whether kernels may use AVX512_VNNI, with which int8 products are several times as fast as with AVX2.
    public static let hasInt8 = kb_has_vnni() != 0
    /// The level that `KANTAIBERT_CPU_LEVEL` limits kernels to; nil if they use what the CPU has.
    public static var levelLimit: String? {
        let limit = kb_cpu_limit()
        return limit < KB_NATIVE ? kb_cpu_level_name(limit).map { String(cString: $0) } : nil
    }
    public static var threads: Int { ThreadPool.shared.threads }
}

/// Measures the rate of an operation on all threads, as the best of several repetitions.
///
/// The measurement runs in pieces of well under 100 ms each, so that other work can use the thread pool in between and
/// the measurement can be cancelled.
public final class RateMeasurement: @unchecked Sendable {
    // @unchecked: `run` is called once and runs its pieces sequentially.
    private let amount: Double
    private let times: Int
    private let preparation: [() -> Void]
    private let body: () -> Void
    private var best = 0.0

    private init(amount: Double, times: Int, preparation: [() -> Void] = [], _ body: @escaping () -> Void) {
        self.amount = amount
        self.times = times
        self.preparation = preparation
        self.body = body
    }

    /// Measures the floating-point operations per second of y = x·Wᵀ with the shapes of a transformer layer.
    public static func product(_ precision: Precision) -> RateMeasurement {
        product { y, x, weight in matrixProduct(y, x, .asIs, weight, .transposed, precision: precision) }
    }

    /// Measures the same product computed by BLAS.
    public static func blasProduct() -> RateMeasurement {
        product { y, x, weight in
            Kernels.blasProduct(y, x, .asIs, weight, .transposed, inner: x.columns, beta: 0)
        }
    }

    /// Measures memory read bandwidth in bytes per second, over a buffer larger than any cache.
    public static func memoryRead() -> RateMeasurement {
        let (count, part) = (1 << 26, 1 << 18)
        let arena = Arena(bytes: 4 * count + Arena.alignment)
        let numbers = arena.vector(count)
        let pieces = 16
        let preparation = (0..<pieces).map { piece in
            { (numbers.base + piece * (count / pieces)).update(repeating: 1, count: count / pieces) }
        }
        return RateMeasurement(amount: 4 * Double(count), times: 4, preparation: preparation) {
            ThreadPool.shared.forEach(count / part) { index in
                _ = cblas_sasum(blasint(part), numbers.base + index * part, 1)
            }
            withExtendedLifetime(arena) {}
        }
    }

    private static func product(_ product: @escaping (Matrix, Matrix, Matrix) -> Void) -> RateMeasurement {
        let (rows, inner, outer) = (256, 768, 3072)
        let arena = Arena(bytes: 4 * (rows * inner + rows * outer + inner * outer) + 3 * Arena.alignment)
        let (x, y) = (arena.matrix(rows: rows, columns: inner), arena.matrix(rows: rows, columns: outer))
        let weight = arena.matrix(rows: outer, columns: inner)
        for matrix in [x, weight] { matrix.base.update(repeating: 0.5, count: matrix.rows * matrix.columns) }
        return RateMeasurement(amount: 2 * Double(rows * inner * outer), times: 12) {
            product(y, x, weight)
            withExtendedLifetime(arena) {}
        }
    }

    /// - Parameter turn: runs a piece as soon as it may use the thread pool
    /// - Returns: the best rate measured
    /// - Throws: `CancellationError` before the next piece if the task is cancelled; rethrows errors of `turn`
    public func run(turn: (@escaping @Sendable () -> Void) async throws -> Void) async throws -> Double {
        for index in preparation.indices {
            try Task.checkCancellation()
            try await turn { self.preparation[index]() }
        }
        for _ in 0..<times {
            try Task.checkCancellation()
            try await turn { self.measure() }
        }
        return best
    }

    private func measure() {
        let start = ContinuousClock.now
        body()
        best = max(best, amount / ((ContinuousClock.now - start) / .seconds(1)))
    }
}
