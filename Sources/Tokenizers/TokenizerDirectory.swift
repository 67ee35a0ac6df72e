import Durable
import Glibc

/// Loading and saving a tokenizer in a Hugging Face model directory.
extension ByteLevelBPETokenizer {
    /// Loads `tokenizer.json` if it exists, otherwise `vocab.json` and `merges.txt`.
    public static func load(directory: String) throws(TokenizerError) -> ByteLevelBPETokenizer {
        let whole = directory + "/tokenizer.json"
        if access(whole, F_OK) == 0 { return try TokenizerJSON.read(whole) }
        let model = try VocabularyFiles.read(
            vocabulary: directory + "/vocab.json", merges: directory + "/merges.txt")
        return ByteLevelBPETokenizer(model: model, components: .bare(model), isBare: true)
    }

    /// Maximum size in bytes of a tokenizer file, twice what a million tokens need.
    public static let mostFileBytes = 1 << 27

    /// Returns why a model of this project cannot use the tokenizer, or nil if it can.
    /// - Parameter rows: number of rows of the word embedding
    public func failureReason(rows: Int) -> String? {
        for special in SpecialToken.allCases {
            let id = id(of: special.content)
            guard id == special.id, token(special.id) == special.content else {
                return "the tokenizer's `\(special.content)` has \(id.map { "id \($0)" } ?? "no id"), "
                    + "expected \(special.id)"
            }
        }
        guard vocabularySize > SpecialToken.allCases.count else { return "the tokenizer has only special tokens" }
        guard vocabularySize <= rows else {
            return "the tokenizer has \(vocabularySize) tokens, but the embedding has only \(rows) rows"
        }
        if case .roberta(let cls, let sep, _) = components.postProcessor {
            guard cls.id == SpecialToken.bos.id, sep.id == SpecialToken.eos.id else {
                return "the tokenizer's post-processor adds the ids \(cls.id) and \(sep.id), "
                    + "expected \(SpecialToken.bos.id) and \(SpecialToken.eos.id)"
            }
        }
        return nil
    }

    /// Returns the tokenizer in the form that `save` writes. It is unchanged if it was trained or loaded from
    /// `tokenizer.json`. If it was loaded from `vocab.json` and `merges.txt`, `<mask>` now absorbs preceding white
    /// space.
    public func published() -> ByteLevelBPETokenizer {
        guard isBare else { return self }
        var components = components
        components.addedTokens = components.addedTokens.map { token in
            var token = token
            token.lstrip = token.content == SpecialToken.mask.content
            return token
        }
        return ByteLevelBPETokenizer(model: model, components: components)
    }

    /// Writes `vocab.json`, `merges.txt`, `tokenizer.json`, `tokenizer_config.json` and `special_tokens_map.json` in
    /// the published form.
    /// - Parameters:
    ///   - directory: created if necessary
    ///   - modelMaxLength: maximum number of ids that the model accepts, including special tokens
    public func save(directory: String, modelMaxLength: Int) throws(DurableError) {
        try Durable.makeDirectory(directory)
        let published = published()
        let components = published.components
        let config = TokenizerConfig(
            components: components, modelMaxLength: modelMaxLength,
            hasConversationMarkers: published.conversationMarkers != nil)
        let files = [
            ("vocab.json", VocabularyFiles.vocabulary(model)),
            ("merges.txt", VocabularyFiles.merges(model)),
            ("tokenizer.json", TokenizerJSON.write(published)),
            ("tokenizer_config.json", config.tokenizerConfig()),
            ("special_tokens_map.json", config.specialTokensMap()),
        ]
        for (name, bytes) in files { try Durable.write(bytes, to: directory + "/" + name) }
    }
}

/// Writes the two files that tell transformers the role of each special token.
private struct TokenizerConfig {
    let components: TokenizerComponents
    let modelMaxLength: Int
    let hasConversationMarkers: Bool

    private static let roles: [(role: String, token: SpecialToken)] = [
        ("bos_token", .bos), ("eos_token", .eos), ("sep_token", .eos), ("cls_token", .bos), ("unk_token", .unk),
        ("pad_token", .pad), ("mask_token", .mask),
    ]

    /// The roles whose token exists in this tokenizer.
    private var roles: [(role: String, token: AddedToken)] {
        Self.roles.compactMap { role, special in
            components.addedTokens.first { $0.content == special.content }.map { (role, $0) }
        }
    }

    private func flags(_ token: AddedToken) -> String {
        "\"lstrip\": \(token.lstrip), \"normalized\": \(token.normalized), \"rstrip\": \(token.rstrip), \"single_word\": false"
    }

    func tokenizerConfig() -> [UInt8] {
        var text = JSONWriter()
        text.raw("{\n  \"add_prefix_space\": \(components.preTokenizer.addPrefixSpace),\n  \"added_tokens_decoder\": {")
        for (index, token) in components.addedTokens.enumerated() {
            text.raw(index > 0 ? ",\n    " : "\n    ")
            text.raw("\"\(token.id)\": {\"content\": ")
            text.string(token.content)
            text.raw(", \(flags(token)), \"special\": \(token.special)}")
        }
        text.raw("\n  },\n")
        for (role, token) in roles {
            text.raw("  \"\(role)\": ")
            text.string(token.content)
            text.raw(",\n")
        }
        if hasConversationMarkers {
            text.raw("  \"additional_special_tokens\": [")
            for (index, content) in ConversationMarkers.contents.enumerated() {
                if index > 0 { text.raw(", ") }
                text.string(content)
            }
            text.raw("],\n  \"chat_template\": ")
            text.string(ConversationMarkers.template)
            text.raw(",\n")
        }
        text.raw(
            """
              "clean_up_tokenization_spaces": false,
              "errors": "replace",
              "model_max_length": \(modelMaxLength),
              "tokenizer_class": "RobertaTokenizer",
              "trim_offsets": true
            }

            """)
        return text.bytes
    }

    func specialTokensMap() -> [UInt8] {
        var text = JSONWriter()
        text.raw("{")
        for (index, (role, token)) in roles.enumerated() {
            text.raw(index > 0 ? ",\n  " : "\n  ")
            text.raw("\"\(role)\": {\"content\": ")
            text.string(token.content)
            text.raw(", \(flags(token))}")
        }
        text.raw("\n}\n")
        return text.bytes
    }
}
