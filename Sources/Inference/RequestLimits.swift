/// Bounds on what one request may ask for: what it names is computed or held all at once. More is an
/// `InferenceError.invalidParameter` with the parameter's name.
public enum RequestLimits {
    /// `<mask>`s of a text.
    public static let masks = 128
    /// Bytes of the texts of all candidates for all masks of a text.
    public static let candidateBytes = 4 << 20
    /// Words of `targets`, and the bytes of all.
    public static let targets = 4096
    public static let targetBytes = 1 << 16
    /// Strings of `stop`, and the bytes of each.
    public static let stops = 16
    public static let stopBytes = 1024
    /// Tokens that `Tokenize` replies with.
    public static let tokens = 1 << 20
    /// Ids that `Detokenize` takes.
    public static let ids = 1 << 18
    /// Bytes of a text that an error repeats.
    public static let quotedBytes = 1000
    /// Bytes that a token takes on its way into a reply of `Tokenize`.
    public static let bytesOfToken = 160

    /// The beginning of a text, for an error.
    static func quoted(_ text: String) -> String {
        text.utf8.count <= quotedBytes ? text : String(decoding: text.utf8.prefix(quotedBytes), as: UTF8.self) + "…"
    }
}
