/// Mutates inputs at random, reproducibly for a given seed. Used to run fuzz targets in tests without libFuzzer.
public struct Mutation: Sendable {
    private var state: UInt64
    private static let words = [
        "\0", "\"", "{", "}", "[", "]", ":", ",", "null", "true", "-1", "0.5", "1e999", "9223372036854775808",
        "\\ud800",
        "\\u0000", "\n", "  ", "- ", "\u{FEFF}",
    ].map { Array($0.utf8) }

    public init(seed: UInt64) { state = seed }

    private mutating func next(_ bound: Int) -> Int {
        // SplitMix64
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return Int((z ^ (z >> 31)) % UInt64(bound))
    }

    /// Applies one to eight mutations.
    public mutating func changed(_ input: [UInt8], others: [[UInt8]]) -> [UInt8] {
        var bytes = input
        for _ in 0...next(8) {
            let place = next(bytes.count + 1)
            let end = min(bytes.count, place + next(16))
            switch next(6) {
            case 0 where place < bytes.count: bytes[place] ^= 1 << UInt8(next(8))
            case 1 where place < bytes.count: bytes[place] = UInt8(next(256))
            case 2: bytes.removeSubrange(place..<end)
            case 3: bytes.insert(contentsOf: bytes[place..<end], at: next(bytes.count + 1))
            case 4: bytes.insert(contentsOf: Self.words[next(Self.words.count)], at: place)
            default:
                let other = others[next(others.count)]
                bytes = bytes[..<place] + other.suffix(next(other.count + 1))
            }
        }
        return Array(bytes.prefix(1 << 16))
    }
}
