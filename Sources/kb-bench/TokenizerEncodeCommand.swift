import ArgumentParser
import FoundationEssentials
import Tokenizers

struct TokenizerEncodeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "encode", abstract: "Encode JSON strings from standard input, one per line.",
        discussion: """
            Prints {"ids": […], "tokens": […], "decoded": …} for each line, as ASCII JSON. Uses tokenizer.json if it \
            exists; otherwise vocab.json and merges.txt with the five special tokens of RoBERTa.
            """)

    @Argument(help: ArgumentHelp("A Hugging Face tokenizer directory.", valueName: "dir")) var directory: String
    @Flag(help: "Add <s> and </s> as the post-processor specifies.") var addSpecialTokens = false
    @Flag(help: "Encode <s>, </s> and other special tokens in the text as ordinary text.") var splitSpecialTokens =
        false
    @Option(help: "Maximum number of ids, including special tokens; the rest is truncated.") var maxLength: Int?
    @Flag(help: "Omit special tokens from “decoded”.") var skipSpecialTokens = false

    func run() throws {
        let tokenizer = try ByteLevelBPETokenizer.load(directory: directory)
        let decoder = JSONDecoder()
        var number = 0
        while let line = readLine() {
            number += 1
            let text: String
            do {
                text = try decoder.decode(String.self, from: Data(line.utf8))
            } catch {
                throw ValidationError("standard input: line \(number): expected a JSON string, found \(line)")
            }
            let ids = tokenizer.encode(
                text, specialTokens: splitSpecialTokens ? .asText : .recognized, addSpecialTokens: addSpecialTokens,
                maxLength: maxLength)
            let tokens = ids.map { asciiJSON(tokenizer.token($0) ?? "") }.joined(separator: ", ")
            let decoded = asciiJSON(tokenizer.decode(ids, skipSpecialTokens: skipSpecialTokens))
            print("{\"ids\": \(ids), \"tokens\": [\(tokens)], \"decoded\": \(decoded)}")
        }
    }
}

/// Encodes a string as JSON, escaping everything except printable ASCII.
private func asciiJSON(_ text: String) -> String {
    var json = "\""
    for unit in text.utf16 {
        switch unit {
        case 0x22: json += "\\\""
        case 0x5C: json += "\\\\"
        case 0x20...0x7E: json.unicodeScalars.append(Unicode.Scalar(UInt8(unit)))
        default:
            let digits = String(unit, radix: 16)
            json += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
        }
    }
    return json + "\""
}
