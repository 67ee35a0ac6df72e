/// A token of the interface definition language.
struct Token: Equatable {
    enum Kind: Equatable {
        /// A keyword or a name, not yet checked against the grammar.
        case word(String)
        /// One of `( ) , : ? [] [string] ->`.
        case symbol(String)
        case end
    }

    var kind: Kind
    var location: SourceLocation
    /// The lines of the comment that ends on the line above the token.
    var documentation: [String] = []
}

extension Token.Kind: CustomStringConvertible {
    /// The token as error messages name it.
    var description: String {
        switch self {
        case .word(let text), .symbol(let text): "‘\(text)’"
        case .end: "the end of the file"
        }
    }
}

/// Splits an interface definition into tokens and attaches documentation comments to them.
struct Tokenizer {
    private let scalars: [Unicode.Scalar]
    private var position = 0
    private var location = SourceLocation(line: 1, column: 1)
    private var documentation: [String] = []
    /// Whether only white space precedes `position` on its line.
    private var isAtLineStart = true

    static func tokens(of text: String) throws(InterfaceDefinitionError) -> [Token] {
        var tokenizer = Tokenizer(text)
        var tokens: [Token] = []
        repeat { tokens.append(try tokenizer.next()) } while tokens.last?.kind != .end
        return tokens
    }

    private init(_ text: String) {
        scalars = Array(text.unicodeScalars)
    }

    private func scalar(at offset: Int = 0) -> Unicode.Scalar? {
        position + offset < scalars.count ? scalars[position + offset] : nil
    }

    private mutating func advance(_ count: Int = 1) {
        position += count
        location.column += count
    }

    private mutating func next() throws(InterfaceDefinitionError) -> Token {
        skipSpaceAndComments()
        isAtLineStart = false
        defer { documentation = [] }
        let start = location
        guard let first = scalar() else { return Token(kind: .end, location: start) }
        if first.isWordStart {
            return Token(kind: .word(word()), location: start, documentation: documentation)
        }
        for symbol in ["->", "[string]", "[]", "(", ")", ",", ":", "?"] {
            let length = symbol.unicodeScalars.count
            guard scalars[position...].prefix(length).elementsEqual(symbol.unicodeScalars) else { continue }
            advance(length)
            return Token(kind: .symbol(symbol), location: start, documentation: documentation)
        }
        throw InterfaceDefinitionError("unexpected character ‘\(first)’", at: start)
    }

    private mutating func word() -> String {
        var word = String.UnicodeScalarView()
        while let scalar = scalar(), scalar.isWordPart || (scalar == "-" && self.scalar(at: 1) != ">") {
            word.append(scalar)
            advance()
        }
        return String(word)
    }

    private mutating func skipSpaceAndComments() {
        while let scalar = scalar() {
            if scalar == "#" {
                readComment()
            } else if scalar.isLineEnd {
                // A blank line separates a comment from the declaration below it.
                if isAtLineStart { documentation = [] }
                endLine()
            } else if scalar.isSpace {
                advance()
            } else {
                return
            }
        }
    }

    /// Reads a comment and the end of its line.
    private mutating func readComment() {
        var comment = String.UnicodeScalarView()
        advance()
        if scalar() == " " { advance() }
        while let scalar = scalar(), !scalar.isLineEnd {
            comment.append(scalar)
            advance()
        }
        // A comment after a token on the same line does not document the next token.
        if isAtLineStart { documentation.append(String(comment)) }
        if scalar() != nil { endLine() }
    }

    private mutating func endLine() {
        position += scalar() == "\r" && scalar(at: 1) == "\n" ? 2 : 1
        location = SourceLocation(line: location.line + 1, column: 1)
        isAtLineStart = true
    }
}

extension Unicode.Scalar {
    fileprivate var isLineEnd: Bool { ["\n", "\r", "\u{2028}", "\u{2029}"].contains(self) }

    fileprivate var isSpace: Bool {
        switch self {
        case " ", "\t", "\u{A0}", "\u{FEFF}", "\u{1680}", "\u{180E}", "\u{2000}"..."\u{200A}", "\u{202F}", "\u{205F}",
            "\u{3000}":
            true
        default: false
        }
    }

    fileprivate var isWordStart: Bool {
        switch self {
        case "a"..."z", "A"..."Z", "0"..."9", "_": true
        default: false
        }
    }

    fileprivate var isWordPart: Bool { isWordStart || self == "." }
}
