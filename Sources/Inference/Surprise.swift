import Glibc
import Jobs
import Tokenizers

/// A token of a line and how unexpected it is.
public struct TokenSurprise: Sendable, Equatable {
    /// Where the token begins in the line and its length, in bytes.
    public var offset: Int
    public var bytes: Int
    /// −log2 of its probability.
    public var bits: Double

    public init(offset: Int, bytes: Int, bits: Double) {
        self.offset = offset
        self.bytes = bytes
        self.bits = bits
    }
}

/// The surprise of a line.
public struct LineSurprise: Sendable, Equatable {
    public var tokens: [TokenSurprise] = []
    /// Whether the filters of training changed the line, so that offsets are not those in the line that was passed.
    public var isFiltered = false

    public init(tokens: [TokenSurprise] = [], isFiltered: Bool = false) {
        self.tokens = tokens
        self.isFiltered = isFiltered
    }
}

extension InferenceEngine {
    /// Computes how unexpected each token of several lines is, many lines in one turn.
    ///
    /// A causal model predicts each token from those before it. A masked one predicts every fifth token from all others, so
    /// that five passes score all tokens; `score`, which masks one token at a time, takes as many passes as there are tokens.
    /// - Parameters:
    ///   - lines: each is a text of its own
    ///   - user: the user whose share of turns is charged
    /// - Throws: `InferenceError.notANumber`; `CancellationError` before the next turn if the task was cancelled
    public func surprises(_ lines: [String], for user: UInt32 = geteuid()) async throws -> [LineSurprise] {
        try Task.checkCancellation()
        let texts = await WorkQueue.texts.run(for: .user(user), cost: lines.reduce(0) { $0 + $1.utf8.count }) {
            [self] () throws(Never) in
            lines.map { LineTokens($0, engine: self) }
        }
        var scored = texts.map { LineSurprise(tokens: $0.tokens, isFiltered: $0.isFiltered) }
        var batch = SurpriseBatch()
        func score(_ batch: SurpriseBatch) async throws {
            try Task.checkCancellation()
            let terms = try await WorkQueue.models.run(for: .user(user), cost: batch.ids.count) {
                [self] () throws(InferenceError) in
                try logProbabilities(
                    ids: batch.ids, offsets: batch.offsets, places: batch.places, labels: batch.labels)
            }
            for (target, term) in zip(batch.targets, terms) {
                scored[target.line].tokens[target.token].bits = -term / M_LN2
            }
        }
        let pieceLength = max(1, trainedLength - (objective == .clm ? 1 : 2))
        for (line, text) in texts.enumerated() {
            for start in stride(from: 0, to: text.ids.count, by: pieceLength) {
                let piece = text.ids[start..<min(text.ids.count, start + pieceLength)]
                let passes = objective == .clm ? [nil] : (0..<min(piece.count, Self.maskStride)).map(Optional.some)
                for masked in passes {
                    if !batch.hasRoom(for: piece.count + 2) {
                        try await score(batch)
                        batch = SurpriseBatch()
                    }
                    batch.append(piece, of: line, masked: masked, stride: Self.maskStride)
                }
            }
        }
        if !batch.ids.isEmpty { try await score(batch) }
        return scored
    }

    /// A masked model is trained with up to 30 % of the tokens masked.
    private static var maskStride: Int { 5 }
}

/// A line as the model reads it.
private struct LineTokens: Sendable {
    var ids: [Int32]
    var tokens: [TokenSurprise] = []
    var isFiltered: Bool

    init(_ line: String, engine: InferenceEngine) {
        let text = engine.filtered(line, specialTokens: .asText)
        isFiltered = text != line
        ids = engine.tokenizer.encode(text, specialTokens: .asText)
        tokens.reserveCapacity(ids.count)
        var offset = 0
        for id in ids {
            let bytes = engine.tokenizer.decodeBytes([id]).count
            tokens.append(TokenSurprise(offset: offset, bytes: bytes, bits: 0))
            offset += bytes
        }
    }
}

/// Sequences that are computed in one turn: up to 256 tokens, and at least one sequence.
private struct SurpriseBatch: Sendable {
    private static let largestTurn = 256

    private(set) var ids: [Int32] = []
    private(set) var offsets = [0]
    private(set) var places: [Int] = []
    private(set) var labels: [Int32] = []
    /// The token that each of `places` scores.
    private(set) var targets: [(line: Int, token: Int)] = []

    func hasRoom(for count: Int) -> Bool { ids.isEmpty || ids.count + count <= Self.largestTurn }

    /// - Parameters:
    ///   - piece: tokens of a line, at their indices in it
    ///   - masked: index in the piece of the first token that is masked; nil scores each token given those before it
    mutating func append(_ piece: ArraySlice<Int32>, of line: Int, masked: Int?, stride: Int) {
        let first = ids.count
        ids.append(SpecialToken.bos.rawValue)
        if let masked {
            ids += piece
            ids.append(SpecialToken.eos.rawValue)
            for index in Swift.stride(from: masked, to: piece.count, by: stride) {
                places.append(first + 1 + index)
                labels.append(ids[first + 1 + index])
                targets.append((line, piece.startIndex + index))
                ids[first + 1 + index] = SpecialToken.mask.rawValue
            }
        } else {
            ids += piece.dropLast()
            places += first..<ids.count
            labels += piece
            targets += piece.indices.map { (line, $0) }
        }
        offsets.append(ids.count)
    }
}
