import Foundation
import Testing
import Tokenizers

/// Reference output of Hugging Face `tokenizers` 0.23, stored with the tests.
enum Fixtures {
    static func path(_ name: String) -> String {
        Bundle.module.resourceURL!.appendingPathComponent("Fixtures").appendingPathComponent(name).path
    }

    static func bytes(_ name: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: path(name))) }

    /// One line of `encodings.jsonl`: the results of `encode` and `decode` without special tokens.
    struct Encoding: Decodable {
        let text: String
        let ids: [Int32]
        let tokens: [String]
        let decoded: String
    }

    static func encodings(_ name: String) throws -> [Encoding] {
        let lines = try bytes(name).split(separator: UInt8(ascii: "\n"))
        return try lines.map { try JSONDecoder().decode(Encoding.self, from: Data($0)) }
    }

    /// Calls `body` with a temporary directory that is removed afterwards.
    static func withTemporaryDirectory<Result>(_ body: (String) throws -> Result) throws -> Result {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("tokenizers-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        return try body(folder.path)
    }
}

/// Compares strings by bytes. `==` would treat canonically equivalent strings as equal.
func sameBytes(_ a: String, _ b: String) -> Bool { Array(a.utf8) == Array(b.utf8) }

extension Fixtures {
    /// Calls `body` with a tokenizer loaded from `vocab.json` and `merges.txt` only.
    static func withBareTokenizer(_ name: String, _ body: (ByteLevelBPETokenizer) throws -> Void) throws {
        try withTemporaryDirectory { folder in
            for file in ["vocab.json", "merges.txt"] {
                try bytes(name + "/" + file).write(to: URL(fileURLWithPath: folder + "/" + file))
            }
            try body(try ByteLevelBPETokenizer.load(directory: folder))
        }
    }
}
