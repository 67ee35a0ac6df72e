import Foundation
import Testing
import Tokenizers

@Suite struct PiecesTests {
    private func trained(_ text: String, vocabularySize: Int) throws -> ByteLevelBPETokenizer {
        let path = FileManager.default.temporaryDirectory.appending(path: "pieces-\(UUID().uuidString).txt").path
        try Data(text.utf8).write(to: URL(filePath: path))
        defer { try? FileManager.default.removeItem(atPath: path) }
        let trainer = try BPETrainer(vocabularySize: vocabularySize, minFrequency: 2)
        var text: String? = text
        trainer.add(
            try WordCounts.count(name: path, memoryLimit: 1 << 30) {
                defer { text = nil }
                return text
            })
        return try trainer.train()
    }

    /// The tokens of characters of several bytes are not valid UTF-8 by themselves.
    @Test func piecesOfATokenHaveItsBytes() throws {
        let old = try trained(String(repeating: "the reason of the thing ", count: 20), vocabularySize: 290)
        let new = try trained(
            String(repeating: "the reason разум вещи the вещь of разума ", count: 20), vocabularySize: 400)
        var composed = 0
        for id in 0..<Int32(new.vocabularySize) {
            let pieces = old.pieces(of: id, from: new)
            #expect(old.decodeBytes(pieces) == new.decodeBytes([id]), "\(new.token(id) ?? "")")
            if let shared = old.id(of: try #require(new.token(id))) { #expect(pieces == [shared]) }
            if pieces.count > 1 { composed += 1 }
        }
        #expect(composed > 0)
        #expect((0..<Int32(old.vocabularySize)).allSatisfy { old.pieces(of: $0, from: old) == [$0] })
    }
}
