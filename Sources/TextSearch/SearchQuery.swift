/// A sequence of patterns, each of which matches one token of a corpus (see `CorpusIndex`).
public struct SearchQuery: Sendable {
    public enum Syntax: Sendable {
        /// Text as it occurs, in which `*` matches any characters within one word: `pure reas*`, `*ing`, or `*` for any one
        /// token. `\*` is an asterisk.
        case words
        /// Regular expressions separated by white space. Each matches one whole token: `(pure|practical) reason.*`.
        /// Supports literals, `.`, `[a-z]`, `[^…]`, `\d`, `\w`, `\p{L}` and the other general categories, groups, `|`,
        /// `*`, `+`, `?` and `{m,n}`. Takes time proportional to the text, whatever the expression.
        case regularExpressions
    }

    /// Parses a query.
    /// - Parameters:
    ///   - ignoresCase: `reason` also matches `Reason`
    ///   - ignoresDiacritics: `uber` also matches `über`
    /// - Throws: `SearchError.invalidQuery` or `.textTooLong`
    public init(
        _ text: String, syntax: Syntax = .words, ignoresCase: Bool = true, ignoresDiacritics: Bool = false
    ) throws(SearchError) {
        throw .cancelled
    }
}
