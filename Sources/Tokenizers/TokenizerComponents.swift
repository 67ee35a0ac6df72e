/// What stands around the model in `tokenizer.json`. Only these components exist here; reading refuses others by name.
struct TokenizerComponents: Sendable, Equatable {
    /// Options of a `ByteLevel` component that it writes back; offsets are not ours.
    struct ByteLevel: Sendable, Equatable {
        var addPrefixSpace: Bool
        var trimOffsets: Bool
    }

    struct SpecialPlace: Sendable, Equatable {
        let content: String
        let id: Int32
    }

    enum PostProcessor: Sendable, Equatable {
        case none
        /// Changes offsets, not ids.
        case byteLevel(ByteLevel)
        /// `<s>` before the text and `</s>` behind it.
        case roberta(cls: SpecialPlace, sep: SpecialPlace, ByteLevel)
    }

    /// How a text too long is cut before special tokens are added.
    struct Truncation: Sendable, Equatable {
        enum Side: String, Sendable {
            case right = "Right"
            case left = "Left"
        }
        /// Tokens at most, special ones included.
        var maxLength: Int
        /// The side that is cut off.
        var direction: Side
        var strategy: String
        var stride: Int
    }

    var addedTokens: [AddedToken]
    var preTokenizer: ByteLevel
    var postProcessor: PostProcessor
    var decoder: ByteLevel
    var truncation: Truncation?

    /// RoBERTa's: what we publish. `<mask>` takes the white space before it.
    static let published = TokenizerComponents(
        addedTokens: SpecialToken.allCases.map {
            AddedToken(id: $0.id, content: $0.content, lstrip: $0 == .mask)
        },
        preTokenizer: ByteLevel(addPrefixSpace: false, trimOffsets: true),
        postProcessor: .roberta(
            cls: SpecialPlace(content: SpecialToken.bos.content, id: SpecialToken.bos.id),
            sep: SpecialPlace(content: SpecialToken.eos.content, id: SpecialToken.eos.id),
            ByteLevel(addPrefixSpace: false, trimOffsets: true)),
        decoder: ByteLevel(addPrefixSpace: true, trimOffsets: true))

    /// For `vocab.json` and `merges.txt` alone: those of the five special tokens that the model has, as they stand.
    static func bare(_ model: BPEModel) -> TokenizerComponents {
        let found = SpecialToken.allCases.compactMap { special in
            model.id(of: Array(special.content.utf8)).map { AddedToken(id: $0, content: special.content) }
        }
        func place(_ token: SpecialToken) -> SpecialPlace? {
            found.first { $0.content == token.content }.map { SpecialPlace(content: $0.content, id: $0.id) }
        }
        var components = published
        components.addedTokens = found
        if let cls = place(.bos), let sep = place(.eos) {
            components.postProcessor = .roberta(cls: cls, sep: sep, ByteLevel(addPrefixSpace: false, trimOffsets: true))
        } else {
            components.postProcessor = .none
        }
        return components
    }
}
