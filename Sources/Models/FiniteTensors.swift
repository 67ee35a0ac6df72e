import Parallel
import Synchronization

extension SafetensorsFile {
    /// Checks every tensor of the file with `requireFinite`, including tensors that are not parameters.
    public func requireAllFinite() throws(ModelError) {
        for name in tensors.keys.sorted() { try requireFinite(name) }
    }

    /// Checks that a tensor contains only values that are finite, also after rounding to bfloat16.
    /// - Throws: `ModelError` with the tensor's name and the first invalid value with its index, or if
    ///   the tensor is missing
    public func requireFinite(_ name: String) throws(ModelError) {
        guard let tensor = tensors[name] else {
            throw ModelError(path: path, reason: "the tensor `\(name)` is missing")
        }
        let bytes = bytes(tensor)
        let type = tensor.type
        let size = 1 << 18
        let tiles = (tensor.count + size - 1) / size
        let isFinite = Atomic(true)
        nonisolated(unsafe) let numbers = bytes
        ThreadPool.shared.forEach(tiles) { tile in
            let part = tile * size..<min(tensor.count, (tile + 1) * size)
            if !type.areFinite(numbers, part) { isFinite.store(false, ordering: .relaxed) }
        }
        guard !isFinite.load(ordering: .relaxed) else { return }
        let place = (0..<tensor.count).first { !type.areFinite(bytes, $0..<$0 + 1) } ?? 0
        throw ModelError(
            path: path,
            reason: "`\(name)` contains \(type.number(bytes, place)) at index \(place): "
                + "not finite, or too large for bfloat16")
    }
}

extension TensorType {
    /// Bit pattern of the smallest float32 that rounds to infinity in bfloat16: half a ulp
    /// above bfloat16's largest number.
    private static let tooLarge: UInt32 = 0x7F7F_8000

    /// Whether all elements in `range` are finite, also after rounding to bfloat16.
    fileprivate func areFinite(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>) -> Bool {
        guard range.lowerBound >= 0, range.upperBound <= bytes.count / self.bytes, let base = bytes.baseAddress else {
            return range.isEmpty
        }
        // Finds the largest magnitude: without the sign bit, bit patterns order like their values,
        // infinity and NaN last.
        switch self {
        case .float64:
            var largest: UInt32 = 0
            for index in range {
                let number = Float(base.loadUnaligned(fromByteOffset: 8 * index, as: Double.self))
                largest = max(largest, number.bitPattern & 0x7FFF_FFFF)
            }
            return largest < Self.tooLarge
        case .float32:
            var largest: UInt32 = 0
            for index in range {
                largest = max(largest, base.loadUnaligned(fromByteOffset: 4 * index, as: UInt32.self) & 0x7FFF_FFFF)
            }
            return largest < Self.tooLarge
        case .float16, .bfloat16:
            var largest: UInt16 = 0
            for index in range {
                largest = max(largest, base.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self) & 0x7FFF)
            }
            return largest < (self == .float16 ? 0x7C00 : 0x7F80)
        }
    }

    fileprivate func number(_ bytes: UnsafeRawBufferPointer, _ index: Int) -> Float {
        var number: Float = 0
        withUnsafeMutablePointer(to: &number) { pointer in
            read(
                UnsafeRawBufferPointer(rebasing: bytes[index * self.bytes..<(index + 1) * self.bytes]),
                into: UnsafeMutableBufferPointer(start: pointer, count: 1))
        }
        return number
    }
}
