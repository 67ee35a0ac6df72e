import Random
import Testing

/// Test vectors that Random123 publishes for philox4x32-10 (`kat_vectors`).
@Test(arguments: [
    (SIMD4<UInt32>(0, 0, 0, 0), SIMD2<UInt32>(0, 0), SIMD4<UInt32>(0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8)),
    (
        SIMD4(repeating: UInt32.max), SIMD2(repeating: UInt32.max),
        SIMD4(0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd)
    ),
    (
        SIMD4(0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344), SIMD2(0xa409_3822, 0x299f_31d0),
        SIMD4(0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1)
    ),
])
func matchesPublishedVectors(counter: SIMD4<UInt32>, key: SIMD2<UInt32>, expected: SIMD4<UInt32>) {
    #expect(Philox.block(counter: counter, key: key) == expected)
}

@Test func blockDependsOnEveryParameter() {
    let blocks = [
        Philox(seed: 1, purpose: .masking).block(step: 0, index: 0),
        Philox(seed: 2, purpose: .masking).block(step: 0, index: 0),
        Philox(seed: 1 << 32, purpose: .masking).block(step: 0, index: 0),
        Philox(seed: 1, purpose: .dropout).block(step: 0, index: 0),
        Philox(seed: 1, purpose: .masking).block(step: 1, index: 0),
        Philox(seed: 1, purpose: .masking).block(step: 0, index: 1),
        Philox(seed: 1, purpose: .masking).block(step: 0, index: 1 << 32),
    ]
    #expect(Set(blocks).count == blocks.count)
}

@Test func uniformIsLessThanOne() {
    #expect(Philox.uniform(0) == 0)
    #expect(Philox.uniform(.max) < 1)
    #expect(Philox.uniform(.max) == 1 - 0x1p-24)
}

@Test func belowCoversItsRange() {
    #expect(Philox.below(7, 0) == 0)
    #expect(Philox.below(7, .max) == 6)
    #expect(Philox.below(1, .max) == 0)
}
