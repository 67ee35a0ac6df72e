/// The components of `tokenizer.json` other than the model. All others are rejected by name when reading.
struct TokenizerComponents: Sendable, Equatable {
    /// Options of a `ByteLevel` component. `trimOffsets` is only written back, because offsets are not computed.
    struct ByteLevel: Sendable, Equatable {
        var addPrefixSpace: Bool
        var trimOffsets: Bool
    }

    struct SpecialTokenID: Sendable, Equatable {
        let content: String
        let id: Int32
    }

    enum PostProcessor: Sendable, Equatable {
        case none
        /// Affects offsets only, not ids.
        case byteLevel(ByteLevel)
        /// Adds `<s>` before and `</s>` after the text.
        case roberta(cls: SpecialTokenID, sep: SpecialTokenID, ByteLevel)
    }

    /// Truncation of long texts, applied before special tokens are added.
    struct Truncation: Sendable, Equatable {
        enum Side: String, Sendable {
            case right = "Right"
            case left = "Left"
        }
        /// Maximum number of tokens, including special tokens.
        var maxLength: Int
        /// The side at which tokens are removed.
        var direction: Side
        var strategy: String
        var stride: Int
    }

    var addedTokens: [AddedToken]
    var preTokenizer: ByteLevel
    var postProcessor: PostProcessor
    var decoder: ByteLevel
    var truncation: Truncation?

    /// RoBERTa's components, used for published models. `<mask>` absorbs preceding white space.
    static let published = TokenizerComponents(
        addedTokens: SpecialToken.allCases.map {
            AddedToken(id: $0.id, content: $0.content, lstrip: $0 == .mask)
        },
        preTokenizer: ByteLevel(addPrefixSpace: false, trimOffsets: true),
        postProcessor: .roberta(
            cls: SpecialTokenID(content: SpecialToken.bos.content, id: SpecialToken.bos.id),
            sep: SpecialTokenID(content: SpecialToken.eos.content, id: SpecialToken.eos.id),
            ByteLevel(addPrefixSpace: false, trimOffsets: true)),
        decoder: ByteLevel(addPrefixSpace: true, trimOffsets: true))

    /// Returns the components for `vocab.json` and `merges.txt` without `tokenizer.json`: those special tokens that the
    /// vocabulary contains, without `lstrip`.
    static func bare(_ model: BPEModel) -> TokenizerComponents {
        let found = SpecialToken.allCases.compactMap { special in
            model.id(of: Array(special.content.utf8)).map { AddedToken(id: $0, content: special.content) }
        }
        func place(_ token: SpecialToken) -> SpecialTokenID? {
            found.first { $0.content == token.content }.map { SpecialTokenID(content: $0.content, id: $0.id) }
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
