/// Limits on a single request, because its parts are computed or held in memory at once. A request that exceeds one
/// fails with `InferenceError.invalidParameter`.
public enum RequestLimits {
    /// Maximum number of `<mask>` tokens in a text.
    public static let masks = 128
    /// Maximum total size in bytes of the texts of all candidates for all masks.
    public static let candidateBytes = 4 << 20
    /// Maximum number of words in `targets`, and their maximum total size in bytes.
    public static let targets = 4096
    public static let targetBytes = 1 << 16
    /// Maximum number of strings in `stop`, and the maximum size of each in bytes.
    public static let stops = 16
    public static let stopBytes = 1024
    /// Maximum number of tokens in a reply of `Tokenize`.
    public static let tokens = 1 << 20
    /// Maximum number of tokens in a reply of `Score`.
    public static let scoredTokens = 1 << 16
    /// Memory in bytes that a scored token, or a likely one in its place, uses while a reply is built.
    public static let bytesOfScoredToken = 256
    /// Maximum number of likely tokens in the place of each token.
    public static let logprobs = 20
    /// Maximum number of numbers in a reply of `Embed`, and the memory in bytes that each uses while it is built.
    public static let embeddingNumbers = 1 << 19
    public static let bytesOfEmbeddingNumber = 64
    /// Maximum number of ids in a call of `Detokenize`.
    public static let ids = 1 << 18
    /// Maximum number of bytes of a text that an error quotes.
    public static let quotedBytes = 1000
    /// Memory in bytes that a token uses while a reply of `Tokenize` is built.
    public static let bytesOfToken = 160

    /// Returns the beginning of a text for use in an error.
    static func quoted(_ text: String) -> String {
        text.utf8.count <= quotedBytes ? text : String(decoding: text.utf8.prefix(quotedBytes), as: UTF8.self) + "…"
    }
}
