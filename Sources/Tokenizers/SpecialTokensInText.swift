/// How the content of a special token, such as `</s>`, is encoded where it occurs in a text.
///
/// Only the content of tokens that are declared special is affected. Other added tokens are always recognized, as by
/// Hugging Face.
public enum SpecialTokensInText: Sendable, CaseIterable {
    /// As the characters that it consists of, like any other text: `split_special_tokens=True` of Hugging Face. For
    /// corpora and prompts, whose authors cannot know of control tokens.
    ///
    /// The option is not written to `tokenizer_config.json`, because there it would also apply to `<mask>` in the
    /// fill-mask pipeline of transformers.
    case asText
    /// `<mask>` as the mask token, all others as text. For the texts of fill-mask requests.
    case maskOnly
    /// As the special token: the default of Hugging Face.
    case recognized

    func recognizes(_ token: AddedToken) -> Bool {
        switch self {
        case .asText: !token.special
        case .maskOnly: !token.special || token.content == SpecialToken.mask.content
        case .recognized: true
        }
    }
}
