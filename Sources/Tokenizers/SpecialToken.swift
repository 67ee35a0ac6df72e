/// The five special tokens of every tokenizer trained here, with the ids that RoBERTa uses.
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
