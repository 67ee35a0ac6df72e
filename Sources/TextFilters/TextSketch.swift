/// A sketch of a text from which the share of what two texts have in common is estimated: of all different sequences of
/// five bytes in either text, the share of those in both (Jaccard index). Letters of ASCII count in lower case, and white
/// space as one space.
///
/// The sketch has 128 values, each of which is the same in both with the probability of that share, as concentrated as if
/// they were independent: Fast Similarity Sketching (Dahlgaard, Knudsen, Thorup: "Fast Similarity Sketching", FOCS 2017,
/// algorithm 1). It takes one hash per sequence for long texts, where MinHash takes 128.
public struct TextSketch {
    package static let values = 128

    package private(set) var values = [UInt64](repeating: .max, count: Self.values)
    private var filled = 0
    /// The sequences so far, as long as there are values without one; the same ones perhaps several times.
    private var sequences: [UInt64] = []
    /// The last five bytes, and the number of bytes.
    private var window: UInt64 = 0
    private var bytes = 0
    private var isAfterSpace = false

    private static let sequenceBytes = 5
    /// In fewer than one of 10¹¹ texts, so many different ones leave a value without a sequence.
    private static let mostSequences = 4096

    public init() {}

    /// Adds a piece of the text.
    public mutating func append(_ text: [UInt8]) {
        for byte in text {
            if byte <= 0x20 {
                isAfterSpace = bytes > 0
                continue
            }
            if isAfterSpace { append(UInt8(ascii: " ")) }
            isAfterSpace = false
            append((UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte)
        }
    }

    private mutating func append(_ byte: UInt8) {
        window = (window << 8 | UInt64(byte)) & 0xFF_FFFF_FFFF
        bytes += 1
        if bytes >= Self.sequenceBytes { insert(window) }
    }

    /// Adds a sequence of bytes, or another element of the set that the sketch describes.
    package mutating func insert(_ sequence: UInt64) {
        if filled < Self.values {
            if sequences.count == Self.mostSequences { removeRepeated() }
            if sequences.count < Self.mostSequences { sequences.append(sequence) }
        }
        place(sequence, round: 0)
    }

    private mutating func removeRepeated() {
        sequences.sort()
        var last: UInt64?
        sequences.removeAll { sequence in
            defer { last = sequence }
            return sequence == last
        }
    }

    /// Fills the values that are still without a sequence, in short texts. Nothing can be added afterwards.
    public mutating func finish() {
        if (1..<Self.sequenceBytes).contains(bytes) { insert(UInt64(bytes) << 56 | window) }
        var round = 1
        while filled < Self.values, round < 2 * Self.values, !sequences.isEmpty {
            for sequence in sequences { place(sequence, round: round) }
            round += 1
        }
        sequences = []
    }

    /// In the first 128 rounds, a sequence has a place by its hash, and then one after the other.
    private mutating func place(_ sequence: UInt64, round: Int) {
        let hash = Self.mix(sequence &+ UInt64(round &+ 1) &* 0x9E37_79B9_7F4A_7C15)
        let place = round < Self.values ? Int(hash >> 57) : round - Self.values
        if values[place] == .max { filled += 1 }
        values[place] = min(values[place], UInt64(round) << 56 | hash & (1 << 57 - 1) >> 1)
    }

    /// The finalizer of SplitMix64.
    static func mix(_ value: UInt64) -> UInt64 {
        var value = value
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return value ^ value >> 31
    }
}
