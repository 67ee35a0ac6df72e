import Conversations

/// A piece of a corpus that is used for training, or held out, as a whole.
public struct Sample: Sendable, Equatable {
    /// The tokenizer's input: filtered and valid UTF-8.
    public var text: String
    /// Hash of the unfiltered text in the corpus; determines whether the sample is held out.
    public var hash: UInt64
    /// Whether the sample continues the previous one: both are pieces of a long line, paragraph or record.
    public var isContinuation: Bool
    /// The messages of a conversation, whose replies are learned; empty for other text. `text` is their loose text.
    public var turns: [Conversation.Turn]

    public init(text: String, hash: UInt64, isContinuation: Bool = false, turns: [Conversation.Turn] = []) {
        self.text = text
        self.hash = hash
        self.isContinuation = isContinuation
        self.turns = turns
    }

    /// Whether this sample belongs to the held-out `share` of all samples. The decision depends only on the text, so no
    /// generation is trained on text that an earlier one was evaluated on.
    public func isHeldOut(share: Double) -> Bool { Sample.fraction(hash) < share }

    /// The position of a hash between 0 and 1.
    static func fraction(_ hash: UInt64) -> Double { Double(hash >> 11) * 0x1p-53 }

    /// Returns the 64-bit FNV-1a hash, finalized as in splitmix64 so that every bit depends on every byte.
    public static func hash(of text: String) -> UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
        hash = (hash ^ (hash >> 30)) &* 0xbf58_476d_1ce4_e5b9
        hash = (hash ^ (hash >> 27)) &* 0x94d0_49bb_1331_11eb
        return hash ^ (hash >> 31)
    }
}
