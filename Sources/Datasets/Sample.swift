/// A piece of a corpus that is trained on, or held out, as a whole.
public struct Sample: Sendable, Equatable {
    /// As the tokenizer gets it: filtered, and valid UTF-8.
    public var text: String
    /// Of the text as it stands in the corpus, before any filter: what decides whether the sample is held out.
    public var hash: UInt64

    public init(text: String, hash: UInt64) {
        self.text = text
        self.hash = hash
    }

    /// Whether this sample is among the held-out `share` of all samples. The same text always is or never is: what
    /// one generation was judged on, no later one is trained on.
    public func isHeldOut(share: Double) -> Bool {
        Double(hash >> 11) * 0x1p-53 < share
    }

    /// FNV-1a of 64 bits, finished as in splitmix64 so that every bit depends on every byte.
    public static func hash(of text: String) -> UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
        hash = (hash ^ (hash >> 30)) &* 0xbf58_476d_1ce4_e5b9
        hash = (hash ^ (hash >> 27)) &* 0x94d0_49bb_1331_11eb
        return hash ^ (hash >> 31)
    }
}
