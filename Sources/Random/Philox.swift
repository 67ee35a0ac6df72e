/// The Philox4x32-10 counter-based generator (Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011).
///
/// The generator is stateless: each block is a pure function of key and counter. Any number can therefore be recomputed
/// from (seed, purpose, step, index), in any order and on any thread.
public struct Philox: Sendable {
    public typealias Block = SIMD4<UInt32>

    private let key: SIMD2<UInt32>
    private let purpose: UInt32

    /// What a stream of numbers is used for. Streams for different purposes never overlap.
    public enum Purpose: UInt32, Sendable {
        case initialization = 1
        case shuffling, masking, dropout, sampling, evaluation, cutting, inputNoise, replay
    }

    public init(seed: UInt64, purpose: Purpose) {
        key = SIMD2(UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32))
        self.purpose = purpose.rawValue
    }

    /// Returns four random words.
    /// - Parameters:
    ///   - step: identifies the draw: a training step, an epoch or a generated token
    ///   - index: the index of the block of four words within the draw
    public func block(step: UInt32, index: UInt64) -> Block {
        Philox.block(
            counter: Block(UInt32(truncatingIfNeeded: index), UInt32(truncatingIfNeeded: index >> 32), step, purpose),
            key: key)
    }

    /// The Philox4x32-10 function as published.
    public static func block(counter: Block, key: SIMD2<UInt32>) -> Block {
        var (x0, x1, x2, x3) = (counter[0], counter[1], counter[2], counter[3])
        var (k0, k1) = (key[0], key[1])
        for _ in 0..<10 {
            let a = UInt64(x0) &* 0xD251_1F53
            let b = UInt64(x2) &* 0xCD9E_8D57
            (x0, x1, x2, x3) = (
                UInt32(truncatingIfNeeded: b >> 32) ^ x1 ^ k0, UInt32(truncatingIfNeeded: b),
                UInt32(truncatingIfNeeded: a >> 32) ^ x3 ^ k1, UInt32(truncatingIfNeeded: a)
            )
            k0 &+= 0x9E37_79B9
            k1 &+= 0xBB67_AE85
        }
        return Block(x0, x1, x2, x3)
    }

    /// Returns a number in [0, 1) with 24 random bits.
    public static func uniform(_ word: UInt32) -> Float { Float(word >> 8) * 0x1p-24 }

    /// Returns a number in 0..<bound with a bias below bound ÷ 2³² (Lemire's multiplication).
    public static func below(_ bound: UInt32, _ word: UInt32) -> UInt32 {
        UInt32(truncatingIfNeeded: (UInt64(word) &* UInt64(bound)) >> 32)
    }
}
