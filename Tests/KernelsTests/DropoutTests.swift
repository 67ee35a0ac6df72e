import Kernels
import Random
import Testing

@Suite struct DropoutTests {
    /// The vectorized generator in C must produce the same words as `Philox`.
    @Test(arguments: [1, 63, 64, 65, 1000, 40_000])
    func maskMatchesPhilox(count: Int) {
        let key = DropoutKey(seed: 0x0123_4567_89AB_CDEF, step: 77)
        var mask = [UInt8](repeating: 9, count: count)
        dropoutMask(&mask, count: count, probability: 0.25, place: 5, key: key)
        let philox = Philox(seed: key.seed, purpose: .dropout)
        for index in 0..<count {
            let block = philox.block(step: key.step, index: UInt64(5) << 32 | UInt64(16 * (index / 64) + index % 16))
            #expect(mask[index] == (block[index / 16 % 4] >= 0x4000_0000 ? 1 : 0), "element \(index)")
        }
    }

    @Test func dropsRequestedShare() {
        let count = 1 << 20
        var mask = [UInt8](repeating: 0, count: count)
        dropoutMask(&mask, count: count, probability: 0.1, place: 0, key: DropoutKey(seed: 1, step: 1))
        let dropped = mask.count { $0 == 0 }
        #expect(abs(Double(dropped) / Double(count) - 0.1) < 0.002)
    }
}
