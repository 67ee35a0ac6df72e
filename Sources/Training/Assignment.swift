import Datasets
import Jobs
import Kernels
import Models
import Tokenizers

/// What a rank needs to know for its part of each step, besides the job and the parameters. Rank 0 has decided it.
struct Assignment: Codable, Equatable {
    /// Number of embedding rows.
    var rows: Int
    /// Size of the tokenizer's vocabulary.
    var vocabulary: Int
    var markers: ConversationMarkers?
    var replay: Replay?
    var precision: Precision
    var maximumTokens: Int
    var longestRow: Int
    /// Number of updates so far.
    var updates: Int
    /// Expected duration of a step.
    var secondsPerStep: Double
    /// The host of each rank.
    var hosts: [String]
    var shard: Shard

    /// The training shard of rank 0.
    struct Shard: Codable, Equatable {
        /// Its path, which a rank can use on a shared file system.
        var path: String
        var bytes: Int
        var key: UInt64
        var checksum: UInt64
    }

    /// Largest size of an encoded assignment and of an encoded job, in bytes.
    static let mostBytes = 1 << 28
    /// Size of the parts in which a shard is sent, in bytes.
    static let shardPart = 4 << 20
}

/// What a rank answers to an assignment.
struct AssignmentReply: Codable, Equatable {
    /// Why the rank cannot take part, or nil.
    var failureReason: String?
    /// Whether rank 0 has to send the training shard.
    var needsShard = false

    static let mostBytes = 1 << 16
}
