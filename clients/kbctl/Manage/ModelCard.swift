import FoundationEssentials
import Interface
import Varlink

/// The README.md of an exported model, with the metadata header that the Hugging Face Hub reads.
struct ModelCard {
    let model: ManagerInterface.Model
    let description: ManagerInterface.Describe.Reply
    let generation: ManagerInterface.Generation?
    let export: ManagerInterface.Export.Reply
    /// The exported model directory.
    let directory: String
    /// Whether the directory has a model.onnx.
    let hasONNX: Bool

    private var isCausal: Bool { model.objective == .clm }

    var text: String {
        let arguments = Self.trainingArguments(in: directory) ?? .object([:])
        var lines =
            header(arguments) + [
                "# \(model.name), generation \(description.generation.map { "\($0)" } ?? "?")", "",
                "A RoBERTa-type transformer of \(Format.count(description.total)) parameters, "
                    + (arguments["run"]?.string == nil ? "" : "trained from scratch by kantaibert ")
                    + (isCausal ? "to continue text." : "to fill masks."), "",
                "| | |", "|---|---|",
            ]
        lines += facts(arguments).map { "| \($0.0) | \($0.1) |" }
        lines += data(arguments)
        if let position = count(arguments["longest_position"]) {
            lines += [
                "", "## Limits", "",
                "Use it on texts of at most \(position) tokens, `<s>` and `</s>` included (`model_max_length`): longer "
                    + "ones reach positions that were never trained. It knows only the text above, and nobody has checked "
                    + "what it writes.",
            ]
        }
        lines += ["", "## Use", "", "```python", "from transformers import pipeline"]
        lines +=
            isCausal
            ? [
                #"generate = pipeline("text-generation", model=".")"#, #"print(generate("I would like to"))"#,
            ]
            : [#"fill = pipeline("fill-mask", model=".")"#, #"print(fill("Human thinking involves human <mask>."))"#]
        lines.append("```")
        if hasONNX {
            lines += [
                "",
                "`model.onnx` is the same model for ONNX Runtime: `input_ids` and `attention_mask` (int64, batch × sequence) "
                    + "in, `logits` out.",
            ]
        }
        return (lines + [""]).joined(separator: "\n")
    }

    /// The metadata, in YAML. Its values consist of characters that need no quotes.
    private func header(_ arguments: JSONValue) -> [String] {
        let task = isCausal ? "text-generation" : "fill-mask"
        var lines = ["---", "library_name: transformers", "pipeline_tag: \(task)", "tags: [roberta, kantaibert]"]
        if let license = export.license {
            // The Hub rejects other names.
            lines +=
                Self.licenses.contains(license[...])
                ? ["license: \(license)"] : ["license: other", "license_name: \(license)"]
        }
        // Quoted, because `no` would be false.
        if let languages = export.language {
            lines.append("language: [\(languages.map { "\"\($0)\"" }.joined(separator: ", "))]")
        }
        let metrics = heldOut(arguments).filter { $0.value.isFinite }
        if !metrics.isEmpty {
            lines += [
                "model-index:", "- name: \(model.name)", "  results:", "  - task:", "      type: \(task)",
                "    dataset:",
                "      type: held-out", "      name: held-out text of the training data", "    metrics:",
            ]
            for metric in metrics {
                lines += [
                    "    - type: \(metric.type)", "      value: \(Format.number(metric.value, 4))",
                    "      name: \(metric.name)",
                ]
            }
        }
        return lines + ["---", ""]
    }

    /// The results on held-out text.
    private func heldOut(_ arguments: JSONValue) -> [(type: String, name: String, value: Double)] {
        let evaluation = arguments["evaluation"]
        let all: [(String, String, Double?)] = [
            ("loss", "held-out loss", evaluation?["loss"]?.number ?? model.evaluationLoss),
            ("perplexity", "held-out perplexity", evaluation?["perplexity"]?.number),
            ("accuracy", "held-out accuracy", evaluation?["accuracy"]?.number),
            (
                "bits_per_byte", "held-out bits per byte",
                evaluation?["bits_per_byte"]?.number ?? model.bitsPerByte
            ),
        ]
        return all.compactMap { type, name, value in value.map { (type, name, $0) } }
    }

    private func data(_ arguments: JSONValue) -> [String] {
        guard case .array(let corpora)? = arguments["corpora"], !corpora.isEmpty else { return [] }
        let total = corpora.reduce(0.0) { $0 + ($1["bytes"]?.number ?? 0) }
        return [
            "", "## Training data", "",
            "\(Format.count(corpora.count)) \(corpora.count == 1 ? "text" : "texts") of "
                + "\(Format.count(Int(exactly: total))) bytes. A part of them was held out for evaluation.", "",
            "| text | bytes | received | SHA-256 |", "|---|---|---|---|",
        ]
            + corpora.map { corpus in
                let received = corpus["received"]?.string.map { Self.plain(String($0.prefix(10))) } ?? "–"
                return
                    "| \(Self.plain(corpus["name"]?.string ?? "?")) | \(count(corpus["bytes"]) ?? "?") | \(received) "
                    + "| `\(Self.plain(corpus["sha256"]?.string ?? "?"))` |"
            }
    }

    private func facts(_ arguments: JSONValue) -> [(String, String)] {
        let configuration = description.configuration
        let shape = ["num_hidden_layers", "hidden_size", "num_attention_heads"].map { count(configuration[$0]) ?? "?" }
        let all: [(String, String?)] = [
            ("layers, hidden size, heads", shape.joined(separator: ", ")),
            ("vocabulary", count(configuration["vocab_size"])), ("usable tokens", count(arguments["longest_position"])),
            ("run", (arguments["run"]?.string ?? generation?.run).map(Self.plain)),
            ("steps", count(arguments["steps"])),
            ("training tokens", count(arguments["training_tokens"])),
            ("optimizer", (arguments["recipe"]?["optimizer"]?.string).map(Self.plain)),
            ("learning rate", arguments["recipe"]?["learning_rate"]?.number.map { "\($0)" }),
        ]
        return
            (all + heldOut(arguments).map { ($0.name, Format.number($0.value, 4)) } + [
                ("created", generation?.created), ("license", export.license),
                ("SHA-256 of model.safetensors", generation.map { "`\($0.modelSha256)`" }),
            ]).compactMap { name, value in value.flatMap { $0.isEmpty ? nil : (name, $0) } }
    }

    private func count(_ value: JSONValue?) -> String? {
        (value?.number).flatMap { Int(exactly: $0) }.map { Format.count($0) }
    }

    /// Returns text that members of the group chose, such as a file's name, without any meaning in Markdown and HTML.
    private static func plain(_ text: String) -> String {
        text.unicodeScalars.prefix(200).reduce(into: "") { plain, character in
            if character.properties.generalCategory == .control || character.properties.isWhitespace {
                plain += " "
            } else {
                if "\\`*_{}[]()<>#|&!~".unicodeScalars.contains(character) { plain += "\\" }
                plain.unicodeScalars.append(character)
            }
        }
    }

    /// The names of licenses that the Hub knows.
    private static let licenses: Set<Substring> = Set(
        """
        afl-3.0 agpl-3.0 apache-2.0 apple-amlr apple-ascl artistic-2.0 bigcode-openrail-m bigscience-bloom-rail-1.0 \
        bigscience-openrail-m bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear bsl-1.0 c-uda cc cc-by-2.0 cc-by-2.5 \
        cc-by-3.0 cc-by-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 \
        cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cc-by-nd-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc0-1.0 cdla-permissive-1.0 \
        cdla-permissive-2.0 cdla-sharing-1.0 creativeml-openrail-m deepfloyd-if-license ecl-2.0 epl-1.0 epl-2.0 \
        etalab-2.0 eupl-1.1 eupl-1.2 gemma gfdl gpl gpl-2.0 gpl-3.0 h-research intel-research isc lgpl lgpl-2.1 lgpl-3.0 \
        lgpl-lr llama2 llama3 llama3.1 llama3.2 llama3.3 lppl-1.3c mit mpl-2.0 ms-pl ncsa odbl odc-by ofl-1.1 \
        open-mdw openrail openrail++ osl-3.0 pddl postgresql unknown unlicense wtfpl zlib
        """.split(separator: " "))

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
