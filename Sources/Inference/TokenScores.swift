import Glibc
import Kernels
import Models
import Parallel
import Tokenizers

/// A token of a text and its probability.
public struct TokenScore: Sendable, Equatable {
    /// A likely token in the same place.
    public struct Candidate: Sendable, Equatable {
        public let id: Int32
        public let text: String
        public let logProbability: Double
    }

    public let id: Int32
    /// The text of the token, or `bytes:` and its bytes in hexadecimal if they are only a part of a character.
    public let text: String
    /// Number of Unicode characters (scalars) before the one in which the token begins.
    public let offset: Int
    /// Natural logarithm. Nil for the first token of a sequence, which nothing precedes.
    public let logProbability: Double?
    /// The most likely tokens, best first; nil if they were not requested or there is no probability.
    public let top: [Candidate]?
}

extension InferenceEngine {
    /// Scores the tokens of a sequence from `start`, each given all tokens before it.
    /// - Parameters:
    ///   - ids: at most one more than the model can read, because the last one is only predicted
    ///   - textStart: the first token that belongs to the text, to which offsets refer
    ///   - top: number of likely tokens in the place of each
    ///   - user: the user whose share of turns is charged
    /// - Throws: `InferenceError.notANumber`; `CancellationError` if the task was cancelled
    func tokenScores(
        _ ids: [Int32], from start: Int, textStart: Int, top: Int, for user: UInt32
    ) async throws -> [TokenScore] {
        try Task.checkCancellation()
        guard start < ids.count else { return [] }
        let rows = max(start, 1) - 1..<ids.count - 1
        let scored: [ScoredRow] =
            rows.isEmpty
            ? []
            : try await WorkQueue.models.run(for: .user(user), cost: ids.count) {
                [self] () throws(InferenceError) in
                try scoredRows(ids, rows, top: top)
            }
        return await WorkQueue.texts.run(for: .user(user), cost: ids.count) { [self] () throws(Never) in
            var texts = TokenTexts(tokenizer)
            for id in ids[textStart..<max(start, textStart)] { _ = texts.next(id) }
            return (max(start, textStart)..<ids.count).map { index in
                let (text, offset) = texts.next(ids[index])
                let row = index == 0 ? nil : scored[index - 1 - rows.lowerBound]
                return TokenScore(
                    id: ids[index], text: text, offset: offset, logProbability: row?.logProbability,
                    top: row.map { row in
                        row.top.map {
                            .init(id: $0.id, text: texts.text(of: $0.id), logProbability: $0.logProbability)
                        }
                    })
            }
        }
    }

    private struct ScoredRow: Sendable {
        var logProbability: Double
        var top: [(id: Int32, logProbability: Double)]
    }

    /// Scores the token after each row.
    private func scoredRows(_ ids: [Int32], _ rows: Range<Int>, top: Int) throws(InferenceError) -> [ScoredRow] {
        var scored = [ScoredRow](repeating: ScoredRow(logProbability: .nan, top: []), count: rows.count)
        scored.withUnsafeMutableBufferPointer { scored in
            // Written on the threads of the pool, each element by one.
            nonisolated(unsafe) let scored = scored
            model.forEachLogits(
                inputIDs: Array(ids.dropLast()), sequenceOffsets: [0, ids.count - 1], rows: Array(rows),
                pause: { WorkQueue.models.yieldToOthers() }
            ) { range, logits in
                ThreadPool.shared.forEach(range.count) { index in
                    let scores = Scores(
                        UnsafeBufferPointer(start: logits.row(index), count: logits.columns), where: anyID)
                    guard scores.infiniteCount == 0 else { return }
                    let row = range.lowerBound + index
                    let shift = scores.largest + log(scores.normalizer())
                    scored[row].logProbability = scores.values[Int(ids[rows.lowerBound + row + 1])] - shift
                    scored[row].top = topIndices(of: scores.values, count: top) {
                        tokenizer.token(Int32($0)) != nil
                    }.map { (Int32($0), scores.values[$0] - shift) }
                }
            }
        }
        guard scored.allSatisfy(\.logProbability.isFinite) else { throw .notANumber }
        return scored
    }
}

/// The texts of consecutive tokens and where they begin.
struct TokenTexts {
    private let tokenizer: ByteLevelBPETokenizer
    /// Number of characters that began in the tokens so far.
    private var characters = 0

    init(_ tokenizer: ByteLevelBPETokenizer) { self.tokenizer = tokenizer }

    mutating func next(_ id: Int32) -> (text: String, offset: Int) {
        let bytes = tokenizer.decodeBytes([id])
        let offset = bytes.first.map(Self.isContinuation) == true ? max(0, characters - 1) : characters
        characters += bytes.count { !Self.isContinuation($0) }
        return (Self.text(bytes), offset)
    }

    func text(of id: Int32) -> String { Self.text(tokenizer.decodeBytes([id])) }

    private static func isContinuation(_ byte: UInt8) -> Bool { byte & 0b1100_0000 == 0b1000_0000 }

    private static func text(_ bytes: [UInt8]) -> String {
        if let text = String(validating: bytes, as: UTF8.self) { return text }
        return "bytes:" + bytes.map { "\\x" + ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}
