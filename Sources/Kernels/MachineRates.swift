import CBLAS
import CKernels
import Parallel

/// The math libraries and CPU features that this machine uses for matrix products.
public enum MachineRates {
    /// OpenBLAS's version and build configuration, and the CPU type it selected its kernels for.
    public static var blas: String {
        let configuration = openblas_get_config().map { String(cString: $0) } ?? "BLAS"
        let words = configuration.split(separator: " ").prefix(2).joined(separator: " ")
        return "\(words), kernels for \(blasCore ?? "an unknown processor")"
    }

    /// The CPU type that OpenBLAS selected its kernels for.
    private static var blasCore: String? { openblas_get_corename().map { String(cString: $0) } }

    /// A value of `OPENBLAS_CORETYPE` with much faster kernels than those that OpenBLAS selected, or nil.
    public static var betterBLASCore: String? {
        blasCore.flatMap { betterBLASCore(than: $0, hasAVX2: hasAVX2, hasAVX512: Precision.hasPackedFloat32) }
    }

    /// OpenBLAS falls back to kernels for CPUs without AVX if it is older than the CPU.
    package static func betterBLASCore(than core: String, hasAVX2: Bool, hasAVX512: Bool) -> String? {
        guard coresWithoutAVX.contains(core.lowercased()) else { return nil }
        return hasAVX512 ? "SkylakeX" : hasAVX2 ? "Haswell" : nil
    }

    /// OpenBLAS's names of CPU types, in lower case, whose kernels use SSE only.
    private static let coresWithoutAVX: Set = [
        "katmai", "coppermine", "northwood", "prescott", "banias", "atom", "core2", "penryn", "dunnington", "nehalem",
        "athlon", "opteron", "opteron_sse3", "barcelona", "bobcat", "nano",
    ]

    /// Whether the CPU supports AVX2 and FMA.
    package static let hasAVX2 = kb_has_avx2() != 0
    public static var hasOwnFloat32: Bool { Precision.hasPackedFloat32 }
    /// Whether the CPU supports VNNI, used for int8 weights.
    public static var hasInt8: Bool { WeightPrecision.int8.isFast }
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
