/// The five tokens that every tokenizer trained here has, at the ids RoBERTa gives them.
public enum SpecialToken: Int32, CaseIterable, Sendable {
    case bos = 0, pad, eos, unk, mask

    public var content: String {
        switch self {
        case .bos: "<s>"
        case .pad: "<pad>"
        case .eos: "</s>"
        case .unk: "<unk>"
        case .mask: "<mask>"
        }
    }

    public var id: Int32 { rawValue }
}
