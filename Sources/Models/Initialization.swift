import Glibc
import Parallel
import Random

/// Fills a tensor with normally distributed values of mean 0 (Box–Muller transform on pairs of Philox words).
/// - Parameter tensorIndex: tensors with different indices use disjoint random numbers
func fillNormal(
    _ tensor: UnsafeMutableBufferPointer<Float>, deviation: Double, _ philox: Philox, tensorIndex: UInt32
) {
    let size = 1 << 14
    nonisolated(unsafe) let tensor = tensor
    ThreadPool.shared.forEach((tensor.count + size - 1) / size) { tile in
        for first in stride(from: tile * size, to: min(tensor.count, (tile + 1) * size), by: 4) {
            let words = philox.block(step: tensorIndex, index: UInt64(first / 4))
            for pair in 0..<2 {
                // (0, 1], so that the logarithm is finite
                let radius = sqrt(-2 * log((Double(words[2 * pair]) + 1) * 0x1p-32)) * deviation
                let angle = 2 * Double.pi * Double(words[2 * pair + 1]) * 0x1p-32
                let at = first + 2 * pair
                if at < tensor.count { tensor[at] = Float(radius * cos(angle)) }
                if at + 1 < tensor.count { tensor[at + 1] = Float(radius * sin(angle)) }
            }
        }
    }
}
