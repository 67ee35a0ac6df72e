import FoundationEssentials
import Interface
import Varlink

/// The README.md of an exported model, with the metadata header that the Hugging Face Hub reads.
struct ModelCard {
    let model: ManagerInterface.Model
    let description: ManagerInterface.Describe.Reply
    let generation: ManagerInterface.Generation?
    /// The exported model directory.
    let directory: String

    var text: String {
        let isCausal = model.objective == .clm
        let arguments = Self.trainingArguments(in: directory) ?? .object([:])
        var lines = [
            "---", "library_name: transformers", "pipeline_tag: \(isCausal ? "text-generation" : "fill-mask")",
            "tags: [roberta, kantaibert]", "---", "",
            "# \(model.name), generation \(description.generation.map { "\($0)" } ?? "?")", "",
            "A RoBERTa-type transformer of \(Format.count(description.total)) parameters, trained from scratch by "
                + (isCausal ? "kantaibert to continue text." : "kantaibert to fill masks."), "",
            "| | |", "|---|---|",
        ]
        lines += facts(arguments).map { "| \($0.0) | \($0.1) |" }
        if case .array(let corpora)? = arguments["corpora"], !corpora.isEmpty {
            lines += ["", "## Data", "", "| text | bytes | SHA-256 |", "|---|---|---|"]
            for corpus in corpora {
                let size = corpus["bytes"]?.number.map { Format.count(Int($0)) } ?? "?"
                let name = (corpus["name"]?.string ?? "?").map { $0 == "|" ? "\\|" : String($0) }.joined()
                lines.append("| \(name) | \(size) | `\(corpus["sha256"]?.string ?? "?")` |")
            }
        }
        lines += ["", "## Use", "", "```python", "from transformers import pipeline"]
        lines +=
            isCausal
            ? [
                #"generate = pipeline("text-generation", model=".")"#, #"print(generate("I would like to"))"#,
            ]
            : [#"fill = pipeline("fill-mask", model=".")"#, #"print(fill("Human thinking involves human <mask>."))"#]
        return (lines + ["```", ""]).joined(separator: "\n")
    }

    private func facts(_ arguments: JSONValue) -> [(String, String)] {
        func number(_ key: String, _ digits: Int = 0) -> String? {
            arguments[key]?.number.map { digits == 0 ? Format.count(Int($0)) : Format.number($0, digits) }
        }
        let evaluation = arguments["evaluation"]
        let configuration = description.configuration
        let shape = ["num_hidden_layers", "hidden_size", "num_attention_heads"].map {
            configuration[$0]?.number.map { Format.count(Int($0)) } ?? "?"
        }
        let all: [(String, String?)] = [
            ("layers, hidden size, heads", shape.joined(separator: ", ")),
            ("vocabulary", configuration["vocab_size"]?.number.map { Format.count(Int($0)) }),
            ("run", arguments["run"]?.string ?? generation?.run), ("steps", number("steps")),
            ("training tokens", number("training_tokens")),
            ("optimizer", arguments["recipe"]?["optimizer"]?.string),
            ("learning rate", arguments["recipe"]?["learning_rate"]?.number.map { "\($0)" }),
            ("held-out loss", (evaluation?["loss"]?.number ?? model.evaluationLoss).map { Format.number($0, 4) }),
            (
                "held-out accuracy",
                evaluation?["accuracy"]?.number.map { "\(Format.number($0 * 100, 1)) %" }
            ),
            (
                "held-out bits per byte",
                (evaluation?["bits_per_byte"]?.number ?? model.bitsPerByte).map { Format.number($0, 3) }
            ),
            ("created", generation?.created),
            ("SHA-256 of model.safetensors", generation.map { "`\($0.modelSha256)`" }),
        ]
        return all.compactMap { name, value in value.flatMap { $0.isEmpty ? nil : (name, $0) } }
    }

    static func trainingArguments(in directory: String) -> JSONValue? {
        guard let data = try? Data(contentsOf: URL(filePath: "\(directory)/training_args.json")) else { return nil }
        return try? JSONDecoder().decode(JSONValue.self, from: data)
    }
}

extension JSONValue {
    /// The value of a JSON string; nil for any other value.
    var string: String? {
        guard case .string(let text) = self else { return nil }
        return text
    }
}
