import CBLAS
import CKernels
import Parallel

/// What this machine multiplies with, and how fast.
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

    /// Floating-point operations a second of y = x·Wᵀ in shapes of a transformer's layer, on all threads: the best of some.
    public static func productRate(_ precision: Precision) -> Double {
        rate(precision) { y, x, weight in
            matrixProduct(y, x, .asIs, weight, .transposed, precision: precision)
        }
    }

    /// The same by BLAS.
    public static func blasProductRate() -> Double {
        rate(.float32) { y, x, weight in
            blasProduct(y, x, .asIs, weight, .transposed, inner: x.columns, beta: 0)
        }
    }

    /// Bytes a second that all threads together read from memory, more of it than any cache holds: the best of some.
    public static func memoryReadRate() -> Double {
        let count = 1 << 26
        let arena = Arena(bytes: 4 * count + Arena.alignment)
        let numbers = arena.vector(count)
        numbers.base.update(repeating: 1, count: count)
        let part = 1 << 18
        return bestRate(of: 4 * Double(count), times: 4) {
            ThreadPool.shared.forEach(count / part) { index in
                _ = cblas_sasum(blasint(part), numbers.base + index * part, 1)
            }
        }
    }

    private static func rate(_ precision: Precision, _ product: (Matrix, Matrix, Matrix) -> Void) -> Double {
        let (rows, inner, outer) = (512, 768, 3072)
        let arena = Arena(bytes: 4 * (rows * inner + rows * outer + inner * outer) + 3 * Arena.alignment)
        let (x, y) = (arena.matrix(rows: rows, columns: inner), arena.matrix(rows: rows, columns: outer))
        let weight = arena.matrix(rows: outer, columns: inner)
        for matrix in [x, weight] { matrix.base.update(repeating: 0.5, count: matrix.rows * matrix.columns) }
        return bestRate(of: 2 * Double(rows * inner * outer), times: 12) { product(y, x, weight) }
    }

    private static func bestRate(of amount: Double, times: Int, _ body: () -> Void) -> Double {
        (0..<times).map { _ in
            let start = ContinuousClock.now
            body()
            return amount / ((ContinuousClock.now - start) / .seconds(1))
        }.max()!
    }
}
