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

    /// Maximum number of patterns of a query.
    public static let maximumPatterns = 16

    let patterns: [WordPattern]
    /// The bytes of each pattern that matches only these.
    let literals: [[UInt8]?]

    /// Parses a query.
    /// - Parameters:
    ///   - ignoresCase: `reason` also matches `Reason`
    ///   - ignoresDiacritics: `uber` also matches `über`
    /// - Throws: `SearchError.invalidQuery` or `.textTooLong`
    public init(
        _ text: String, syntax: Syntax = .words, ignoresCase: Bool = true, ignoresDiacritics: Bool = false
    ) throws(SearchError) {
        guard text.utf8.count <= CorpusSearch.maximumQueryBytes else {
            throw .textTooLong(bytes: text.utf8.count, limit: CorpusSearch.maximumQueryBytes)
        }
        if let offset = text.unicodeScalars.enumerated().first(where: { $1 == CharacterClass.wildcard })?.offset {
            throw .invalidQuery(reason: "U+10FFFF is not a character", offset: offset)
        }
        let folding = Folding(ignoresCase: ignoresCase, ignoresDiacritics: ignoresDiacritics)
        let pieces =
            switch syntax {
            case .words: Self.words(text, folding)
            case .regularExpressions: try Self.expressions(text, folding)
            }
        guard !pieces.isEmpty else { throw .invalidQuery(reason: "expected at least one word", offset: 0) }
        guard pieces.count <= Self.maximumPatterns else {
            let reason = "more than \(Self.maximumPatterns) words and punctuation marks"
            throw .invalidQuery(reason: reason, offset: pieces[Self.maximumPatterns].offset)
        }
        var patterns: [WordPattern] = []
        for piece in pieces {
            guard let pattern = WordPattern(piece.node, folding: folding) else {
                let reason = "more than \(WordPattern.maximumPositions) characters in one pattern"
                throw .invalidQuery(reason: reason, offset: piece.offset)
            }
            patterns.append(pattern)
        }
        self.patterns = patterns
        literals = pieces.map(\.literal)
    }

    private struct Piece {
        var node: PatternNode
        var literal: [UInt8]?
        /// Position in the query, in scalars.
        var offset: Int
    }

    private static func words(_ text: String, _ folding: Folding) -> [Piece] {
        // A wildcard must not end a word, so it is replaced by a scalar that is a letter.
        var replaced = String.UnicodeScalarView()
        var isEscaped = false
        for scalar in text.unicodeScalars {
            if isEscaped {
                if scalar != "*" && scalar != "\\" { replaced.append("\\") }
                replaced.append(scalar)
                isEscaped = false
            } else if scalar == "\\" {
                isEscaped = true
            } else {
                replaced.append(scalar == "*" ? CharacterClass.wildcard : scalar)
            }
        }
        if isEscaped { replaced.append("\\") }
        let tokens = TokenSequence(String(replaced))
        let characters = CharacterOffsets(tokens.text)
        return (0..<tokens.count).map { index in
            let token = tokens.token(index)
            let nodes = token.unicodeScalars.map { scalar in
                scalar == CharacterClass.wildcard ? PatternNode.anything : .literal(scalar, folding)
            }
            let isLiteral =
                !folding.ignoresCase && !folding.ignoresDiacritics
                && !token.unicodeScalars.contains(CharacterClass.wildcard)
            return Piece(
                node: .sequence(nodes), literal: isLiteral ? Array(token.utf8) : nil,
                offset: characters.range(tokens.starts[index]..<tokens.ends[index]).lowerBound)
        }
    }

    private static func expressions(_ text: String, _ folding: Folding) throws(SearchError) -> [Piece] {
        let scalars = Array(text.unicodeScalars)
        var pieces: [Piece] = []
        var position = 0
        while position < scalars.count {
            guard !scalars[position].properties.isWhitespace else {
                position += 1
                continue
            }
            let start = position
            while position < scalars.count, !scalars[position].properties.isWhitespace { position += 1 }
            var parser = PatternParser(scalars[start..<position], offset: start, folding: folding)
            pieces.append(Piece(node: try parser.parse(), literal: nil, offset: start))
        }
        return pieces
    }
}
