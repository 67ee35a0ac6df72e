/// Reads and writes `tokenizer.json`, the single file that describes a Hugging Face tokenizer.
///
/// Supports the components of the GPT-2 and RoBERTa tokenizers. An unsupported component is rejected by name, because
/// ignoring it would produce ids that differ from Hugging Face's.
enum TokenizerJSON {
    // MARK: Reading

    static func read(_ path: String) throws(TokenizerError) -> ByteLevelBPETokenizer {
        let document = try LocatedJSON.parse(try TokenizerFile.read(path), path: path)
        let root = LocatedJSON.Field(root: document, path: path)
        if let normalizer = try root.member("normalizer") { throw try refused(normalizer, "no normalizer") }
        if let padding = try root.member("padding") { throw padding.error("no padding (null)") }
        let addedTokens = try addedTokens(root)
        let model = try model(try root.required("model"), addedTokens)
        let components = TokenizerComponents(
            addedTokens: addedTokens.map(\.token),
            preTokenizer: try preTokenizer(try root.required("pre_tokenizer")),
            postProcessor: try root.member("post_processor").map(postProcessor) ?? .none,
            decoder: try decoder(try root.required("decoder")),
            truncation: try root.member("truncation").map(truncation))
        try check(addedTokens, model)
        return ByteLevelBPETokenizer(model: model, components: components)
    }

    private static func refused(_ component: LocatedJSON.Field, _ expected: String) throws(TokenizerError)
        -> TokenizerError
    {
        try component.required("type").error(expected)
    }

    private static func byteLevel(_ component: LocatedJSON.Field) throws(TokenizerError)
        -> TokenizerComponents.ByteLevel
    {
        guard try component.required("type").string() == "ByteLevel" else { throw try refused(component, "ByteLevel") }
        return try flags(component)
    }

    private static func flags(_ component: LocatedJSON.Field) throws(TokenizerError) -> TokenizerComponents.ByteLevel {
        TokenizerComponents.ByteLevel(
            addPrefixSpace: try component.member("add_prefix_space")?.bool() ?? true,
            trimOffsets: try component.member("trim_offsets")?.bool() ?? true)
    }

    private static func preTokenizer(_ component: LocatedJSON.Field) throws(TokenizerError)
        -> TokenizerComponents.ByteLevel
    {
        let found = try byteLevel(component)
        if let pattern = try component.member("use_regex"), try !pattern.bool() {
            throw pattern.error("true (only GPT-2's pattern is supported)")
        }
        return found
    }

    private static func decoder(_ component: LocatedJSON.Field) throws(TokenizerError) -> TokenizerComponents.ByteLevel
    {
        try byteLevel(component)
    }

    private static func postProcessor(_ component: LocatedJSON.Field) throws(TokenizerError)
        -> TokenizerComponents.PostProcessor
    {
        switch try component.required("type").string() {
        case "ByteLevel": return .byteLevel(try flags(component))
        case "RobertaProcessing":
            return .roberta(
                cls: try specialTokenID(try component.required("cls")),
                sep: try specialTokenID(try component.required("sep")), try flags(component))
        default: throw try refused(component, "ByteLevel or RobertaProcessing")
        }
    }

    private static func specialTokenID(_ field: LocatedJSON.Field) throws(TokenizerError)
        -> TokenizerComponents.SpecialTokenID
    {
        let parts = try field.elements(atMost: 2)
        guard parts.count == 2 else { throw field.error("an array of a token and its id") }
        return TokenizerComponents.SpecialTokenID(
            content: try parts[0].string(), id: Int32(try parts[1].integer(0...Int(Int32.max))))
    }

    private static func truncation(_ field: LocatedJSON.Field) throws(TokenizerError) -> TokenizerComponents.Truncation
    {
        let direction = try field.member("direction")
        guard let side = TokenizerComponents.Truncation.Side(rawValue: try direction?.string() ?? "Right") else {
            throw field.error("a direction Right or Left")
        }
        let strategy = try field.required("strategy")
        let name = try strategy.string()
        guard ["LongestFirst", "OnlyFirst"].contains(name) else { throw strategy.error("LongestFirst or OnlyFirst") }
        return TokenizerComponents.Truncation(
            maxLength: try field.required("max_length").integer(0...Int(Int32.max)), direction: side, strategy: name,
            stride: try field.member("stride")?.integer(0...Int(Int32.max)) ?? 0)
    }

    /// Limited because every added token is searched for at every position of a text.
    private static let mostAddedTokens = 1_024

    private static func addedTokens(_ root: LocatedJSON.Field) throws(TokenizerError)
        -> [(field: LocatedJSON.Field, token: AddedToken)]
    {
        guard let list = try root.member("added_tokens") else { return [] }
        var tokens: [(field: LocatedJSON.Field, token: AddedToken)] = []
        var ids: Set<Int32> = []
        for field in try list.elements(atMost: mostAddedTokens) {
            if let single = try field.member("single_word"), try single.bool() { throw single.error("false") }
            let id = Int32(try field.required("id").integer(0...Int(Int32.max) - 1))
            guard ids.insert(id).inserted else { throw try field.required("id").error("a unique id") }
            let content = try field.required("content")
            guard try !content.bytes().isEmpty else { throw content.error("a non-empty token") }
            let special = try field.member("special")?.bool() ?? false
            let token = AddedToken(
                id: id, content: try content.string(), lstrip: try field.member("lstrip")?.bool() ?? false,
                rstrip: try field.member("rstrip")?.bool() ?? false,
                normalized: try field.member("normalized")?.bool() ?? !special, special: special)
            tokens.append((field, token))
        }
        return tokens
    }

    private static func model(
        _ field: LocatedJSON.Field, _ addedTokens: [(field: LocatedJSON.Field, token: AddedToken)]
    ) throws(TokenizerError) -> BPEModel {
        if let type = try field.member("type"), try type.string() != "BPE" { throw type.error("BPE") }
        if let dropout = try field.member("dropout") {
            guard case .number(let text) = dropout.value.content, Double(String(decoding: text, as: UTF8.self)) == 0
            else { throw dropout.error("null") }
        }
        for name in ["continuing_subword_prefix", "end_of_word_suffix"] {
            if let affix = try field.member(name), try !affix.string().isEmpty { throw affix.error("null") }
        }
        for name in ["fuse_unk", "byte_fallback", "ignore_merges"] {
            if let option = try field.member(name), try option.bool() { throw option.error("false") }
        }
        let contents = try VocabularyFiles.contents(try field.required("vocab"), added: [:])
        let names = TokenNames(contents)
        var merges: [BPEModel.Merge] = []
        try field.required("merges").forEachElement { merge throws(TokenizerError) in
            let parts: [[UInt8]]
            if case .string(let text) = merge.value.content {
                if text.starts(with: "#version".utf8) { return }
                parts = text.split(
                    separator: UInt8(ascii: " "), maxSplits: 2, omittingEmptySubsequences: false
                ).map(Array.init)
            } else {
                var found: [[UInt8]] = []
                try merge.forEachElement { part throws(TokenizerError) in
                    guard found.count < 3 else { return }
                    found.append(try part.bytes())
                }
                parts = found
            }
            guard parts.count == 2 else { throw merge.error("two tokens") }
            guard merges.count < contents.count else { throw merge.error("at most as many merges as tokens") }
            merges.append(
                try names.merge(
                    parts[0], parts[1], path: merge.path, place: "line \(merge.value.line), key \(merge.key)"))
        }
        var unknown: Int32?
        if let token = try field.member("unk_token"), try !token.bytes().isEmpty {
            guard let id = names.id(try token.bytes()) else { throw token.error("a token of the vocabulary") }
            unknown = id
        }
        return BPEModel(contents: contents, merges: merges, unknown: unknown)
    }

    /// Checks that each added token is in the vocabulary with the same id, or has the next id after it.
    private static func check(
        _ addedTokens: [(field: LocatedJSON.Field, token: AddedToken)], _ model: BPEModel
    ) throws(TokenizerError) {
        var next = Int32(model.contents.count)
        for (field, token) in addedTokens {
            let content = Array(token.content.utf8)
            if let id = model.id(of: content) {
                guard id == token.id else { throw try field.required("id").error("\(id), its id in the vocabulary") }
            } else {
                guard token.id == next else { throw try field.required("id").error("\(next), the next free id") }
                next += 1
            }
        }
    }

    // MARK: Writing

    static func write(_ tokenizer: ByteLevelBPETokenizer) -> [UInt8] {
        let model = tokenizer.model
        let components = tokenizer.components
        var text = JSONWriter()
        text.raw("{\n  \"version\": \"1.0\",\n  \"truncation\": ")
        if let truncation = components.truncation {
            text.raw(
                """
                {"direction": "\(truncation.direction.rawValue)", "max_length": \(truncation.maxLength), \
                "strategy": "\(truncation.strategy)", "stride": \(truncation.stride)}
                """)
        } else {
            text.raw("null")
        }
        text.raw(",\n  \"padding\": null,\n  \"added_tokens\": [")
        for (index, token) in components.addedTokens.enumerated() {
            text.raw(index > 0 ? ",\n    " : "\n    ")
            text.raw("{\"id\": \(token.id), \"content\": ")
            text.string(token.content)
            text.raw(
                """
                , "single_word": false, "lstrip": \(token.lstrip), "rstrip": \(token.rstrip), \
                "normalized": \(token.normalized), "special": \(token.special)}
                """)
        }
        text.raw("\n  ],\n  \"normalizer\": null,\n  \"pre_tokenizer\": ")
        byteLevel(components.preTokenizer, into: &text)
        text.raw(",\n  \"post_processor\": ")
        switch components.postProcessor {
        case .none: text.raw("null")
        case .byteLevel(let flags): byteLevel(flags, into: &text)
        case .roberta(let cls, let sep, let flags):
            text.raw("{\"type\": \"RobertaProcessing\", \"sep\": [")
            text.string(sep.content)
            text.raw(", \(sep.id)], \"cls\": [")
            text.string(cls.content)
            text.raw(
                ", \(cls.id)], \"trim_offsets\": \(flags.trimOffsets), \"add_prefix_space\": \(flags.addPrefixSpace)}")
        }
        text.raw(",\n  \"decoder\": ")
        byteLevel(components.decoder, into: &text)
        text.raw(",\n  \"model\": {\n    \"type\": \"BPE\",\n    \"dropout\": null,\n    \"unk_token\": ")
        if let unknown = model.unknown { text.string(model.contents[Int(unknown)]) } else { text.raw("null") }
        text.raw(
            """
            ,
                "continuing_subword_prefix": null,
                "end_of_word_suffix": null,
                "fuse_unk": false,
                "byte_fallback": false,
                "ignore_merges": false,
                "vocab": 
            """)
        VocabularyFiles.vocabulary(model, into: &text)
        text.raw(",\n    \"merges\": [")
        for (index, merge) in model.merges.enumerated() {
            text.raw(index > 0 ? ",\n      [" : "\n      [")
            text.string(model.contents[Int(merge.first)])
            text.raw(", ")
            text.string(model.contents[Int(merge.second)])
            text.raw("]")
        }
        text.raw("\n    ]\n  }\n}\n")
        return text.bytes
    }

    private static func byteLevel(_ flags: TokenizerComponents.ByteLevel, into text: inout JSONWriter) {
        text.raw(
            """
            {"type": "ByteLevel", "add_prefix_space": \(flags.addPrefixSpace), \
            "trim_offsets": \(flags.trimOffsets), "use_regex": true}
            """)
    }
}
