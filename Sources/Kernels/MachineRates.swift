import CBLAS
import CKernels
import Parallel

/// What this machine multiplies with.
public enum MachineRates {
    /// As OpenBLAS describes how it was built, and which processor it has chosen its kernels for.
    public static var blas: String {
        let configuration = openblas_get_config().map { String(cString: $0) } ?? "BLAS"
        let words = configuration.split(separator: " ").prefix(2).joined(separator: " ")
        return "\(words), kernels for \(openblas_get_corename().map { String(cString: $0) } ?? "an unknown processor")"
    }

    public static var hasOwnFloat32: Bool { Precision.hasPackedFloat32 }
    /// VNNI, for weights of eight bits.
    public static var hasInt8: Bool { WeightPrecision.int8.isFast }
    public static var threads: Int { ThreadPool.shared.threads }
}

/// How fast this machine does something on all threads: the best of some times.
///
/// Measured in pieces of well under 100 ms each, so that others have the thread pool between them and a measurement that
/// nobody waits for ends.
public final class RateMeasurement: @unchecked Sendable {
    // @unchecked: `run` runs one piece after another, and is called once.
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

    /// Floating-point operations a second of y = x·Wᵀ in shapes of a transformer's layer.
    public static func product(_ precision: Precision) -> RateMeasurement {
        product { y, x, weight in matrixProduct(y, x, .asIs, weight, .transposed, precision: precision) }
    }

    /// The same by BLAS.
    public static func blasProduct() -> RateMeasurement {
        product { y, x, weight in
            Kernels.blasProduct(y, x, .asIs, weight, .transposed, inner: x.columns, beta: 0)
        }
    }

    /// Bytes a second that are read from memory, of more of it than any cache holds.
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

    /// - Parameter turn: runs a piece when its turn has come
    /// - Returns: the rate
    /// - Throws: `CancellationError` before the next piece once the task is cancelled, and what `turn` throws
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
