import Durable

/// Reads and writes `vocab.json` and `merges.txt`, as `ByteLevelBPETokenizer.save_model` of Hugging Face does.
enum VocabularyFiles {
    static func vocabulary(_ model: BPEModel) -> [UInt8] {
        var text = JSONWriter()
        vocabulary(model, into: &text)
        return text.bytes
    }

    static func vocabulary(_ model: BPEModel, into text: inout JSONWriter) {
        text.raw("{")
        for (id, content) in model.contents.enumerated() {
            if id > 0 { text.raw(",") }
            text.string(content)
            text.raw(":\(id)")
        }
        text.raw("}")
    }

    static func merges(_ model: BPEModel) -> [UInt8] {
        var text = Array("#version: 0.2\n".utf8)
        for merge in model.merges {
            text += model.contents[Int(merge.first)]
            text.append(UInt8(ascii: " "))
            text += model.contents[Int(merge.second)]
            text.append(UInt8(ascii: "\n"))
        }
        return text
    }

    static func read(vocabulary: String, merges: String) throws(TokenizerError) -> BPEModel {
        let document = try LocatedJSON.parse(try TokenizerFile.read(vocabulary), path: vocabulary)
        let contents = try contents(LocatedJSON.Field(root: document, path: vocabulary), added: [:])
        let ids = TokenNames(contents)
        var found: [BPEModel.Merge] = []
        // Parsed line by line, because an array of lines would take several times the size of the file.
        let text = try TokenizerFile.read(merges)
        var (start, number) = (0, 0)
        while start <= text.count {
            let end = text[start...].firstIndex(of: UInt8(ascii: "\n")) ?? text.count
            var line = text[start..<end]
            number += 1
            start = end + 1
            if line.last == UInt8(ascii: "\r") { line.removeLast() }
            // Hugging Face skips every line that starts with "#version". The last line is empty.
            if line.starts(with: "#version".utf8) || (line.isEmpty && end == text.count) { continue }
            let parts = line.split(separator: UInt8(ascii: " "), maxSplits: 2, omittingEmptySubsequences: false)
            let place = "line \(number)"
            guard parts.count == 2 else {
                throw TokenizerError(
                    path: merges, place: place, expected: "two tokens separated by a space",
                    found: shown(line))
            }
            guard found.count < contents.count else {
                throw TokenizerError(
                    path: merges, place: place, expected: "at most as many merges as tokens",
                    found: "more than \(contents.count)")
            }
            found.append(try ids.merge(Array(parts[0]), Array(parts[1]), path: merges, place: place))
        }
        return BPEModel(contents: contents, merges: found)
    }

    /// Maximum number of tokens of a vocabulary. Training cannot produce more.
    private static let mostTokens = 1 << 20

    /// Returns the tokens of a vocabulary by id.
    /// - Parameter added: contents by id of the tokens that may fill gaps
    static func contents(_ vocabulary: LocatedJSON.Field, added: [Int: [UInt8]]) throws(TokenizerError) -> [[UInt8]] {
        let count = try vocabulary.memberCount()
        guard count <= mostTokens else {
            throw vocabulary.errorWithoutValue("at most \(mostTokens) tokens", "\(count)")
        }
        var contents = [[UInt8]?](repeating: nil, count: count)
        var names = ByteStringTable(capacity: count)
        try vocabulary.forEachMember { content, field throws(TokenizerError) in
            guard names.insert(content).isNew else {
                throw TokenizerError(
                    path: field.path, place: "line \(field.value.line), key \(field.key)",
                    expected: "unique tokens", found: "\(shown(content)) twice")
            }
            let id = try field.integer(0...Int(Int32.max) - 1)
            if id >= contents.count {
                guard id < count + added.count else {
                    throw field.error("an id below \(count), the number of tokens (ids must be contiguous)")
                }
                contents += [[UInt8]?](repeating: nil, count: id + 1 - contents.count)
            }
            if let other = contents[id] { throw field.error("a unique id (already used by \(shown(other)))") }
            contents[id] = content
        }
        var whole: [[UInt8]] = []
        for (id, content) in contents.enumerated() {
            guard let content = content ?? added[id] else {
                // Missing ids at the end are permitted; a gap is followed by a token.
                if contents[id...].allSatisfy({ $0 == nil }) { break }
                throw vocabulary.errorWithoutValue("contiguous ids", "no token with id \(id)")
            }
            whole.append(content)
        }
        return whole
    }
}

/// Looks up ids by content while a model is being read.
struct TokenNames: ~Copyable {
    private var names: ByteStringTable

    init(_ contents: [[UInt8]]) {
        names = ByteStringTable(capacity: contents.count)
        for content in contents { _ = names.insert(content) }
    }

    func id(_ content: [UInt8]) -> Int32? { names.find(content).map(Int32.init) }

    func merge(
        _ first: [UInt8], _ second: [UInt8], path: String, place: @autoclosure () -> String
    ) throws(TokenizerError) -> BPEModel.Merge {
        func id(_ content: [UInt8], _ expected: String) throws(TokenizerError) -> Int32 {
            guard let id = names.find(content) else {
                throw TokenizerError(
                    path: path, place: place(), expected: expected,
                    found: "\(shown(content)), which is not in the vocabulary")
            }
            return Int32(id)
        }
        return BPEModel.Merge(
            first: try id(first, "tokens of the vocabulary"), second: try id(second, "tokens of the vocabulary"),
            token: try id(first + second, "two tokens whose concatenation is in the vocabulary"))
    }
}

extension LocatedJSON.Field {
    func errorWithoutValue(_ expected: String, _ found: String) -> TokenizerError {
        let place = key.isEmpty ? "line \(value.line)" : "line \(value.line), key \(key)"
        return TokenizerError(path: path, place: place, expected: expected, found: found)
    }
}

enum TokenizerFile {
    static func read(
        _ path: String, atMost limit: Int = ByteLevelBPETokenizer.mostFileBytes
    ) throws(TokenizerError) -> [UInt8] {
        do throws(DurableError) {
            return try Durable.read(path, atMost: limit)
        } catch {
            throw TokenizerError(path: path, expected: "a readable file", found: error.description)
        }
    }
}
