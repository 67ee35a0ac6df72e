import FoundationEssentials
import Glibc
import Interface
import Varlink

/// Compares the log-likelihood of a text under transformers, with the exported directory, and under the service.
struct TransformersCheck {
    let client: VarlinkClient
    let model: ManagerInterface.Model
    let directory: String

    /// Largest difference, in nats per token, that the rounding of a service in bfloat16 (8 bits of mantissa) explains.
    private static let tolerance = 0.05
    private static let text = "I would like to know what human reason can do."

    /// - Throws: `Failure` if the results differ, or transformers is not installed
    func run(quietly: Bool) throws {
        let python = ProcessInfo.processInfo.environment["KANTAIBERT_PYTHON"] ?? "python3"
        let lowercases = Self.filters(directory).contains { $0 == "lowercase" || $0 == "tweets" }
        let text = lowercases ? Self.text.lowercased() : Self.text
        guard Subprocess.output([python, "-c", "import torch, transformers"]) != nil else {
            throw Failure(
                "--check needs transformers and PyTorch, which \(python) does not have", status: EX_UNAVAILABLE)
        }
        let score = try client.call(InferenceInterface.Score.self, .init(text: Self.text, model: model.name))
        guard let output = Subprocess.output([python, "-c", Self.program, directory, text, model.objective.rawValue]),
            let line = output.split(separator: "\n").last, let theirs = Double(line)
        else { throw Failure("transformers cannot load \(directory)", status: EX_SOFTWARE) }
        let apart = abs(theirs - score.logLikelihood) / Double(max(1, score.tokens))
        guard apart <= Self.tolerance else {
            throw Failure(
                "the log-likelihood is \(Format.number(theirs, 4)) nats in transformers and "
                    + "\(Format.number(score.logLikelihood, 4)) in the service: a difference of "
                    + "\(Format.number(apart, 4)) nats per token",
                status: EX_SOFTWARE)
        }
        guard !quietly else { return }
        Terminal.paragraph(
            "checked: the log-likelihood is \(Format.number(theirs, 4)) nats in transformers and "
                + "\(Format.number(score.logLikelihood, 4)) in the service, a difference of "
                + "\(Format.scientific(apart)) nats per token")
    }

    private static func filters(_ directory: String) -> [String] {
        guard case .array(let filters)? = ModelCard.trainingArguments(in: directory)?["filters"] else { return [] }
        return filters.compactMap(\.string)
    }

    /// Computes what `Score` does: log p(text and `</s>`) of a causal model, the pseudo-log-likelihood of a masked one.
    private static let program = """
        import sys, torch, transformers
        directory, text, objective = sys.argv[1:]
        transformers.logging.set_verbosity_error()
        kind = transformers.AutoModelForCausalLM if objective == "clm" else transformers.AutoModelForMaskedLM
        model = kind.from_pretrained(directory).float().eval()
        tokenizer = transformers.AutoTokenizer.from_pretrained(directory)
        ids = torch.tensor(tokenizer(text)["input_ids"])
        with torch.no_grad():
            if objective == "clm":
                table = model(ids[None]).logits[0].log_softmax(-1)
                total = table[:-1].gather(1, ids[1:, None]).sum()
            else:
                rows = ids.repeat(len(ids) - 2, 1)
                places = torch.arange(1, len(ids) - 1)
                rows[torch.arange(len(rows)), places] = tokenizer.mask_token_id
                table = model(rows).logits[torch.arange(len(rows)), places].log_softmax(-1)
                total = table.gather(1, ids[1:-1, None]).sum()
        print(float(total))
        """
}
