import Glibc
import Jobs
import Kernels
import Models
import Tokenizers

/// How likely a model finds a text.
public struct TextScore: Sendable, Equatable {
    /// In nats: of a causal model, log p(text); of a masked one, the sum over the tokens of log p(token | all others)
    /// (the pseudo-log-likelihood of Salazar et al., 2020).
    public let logLikelihood: Double
    /// The tokens scored; of a causal model the final `</s>` among them.
    public let tokens: Int
    /// −`logLikelihood` ÷ (ln 2 × the text's bytes); 0 for an empty text.
    public let bitsPerByte: Double
}

extension InferenceEngine {
    /// Scores a text, cut into pieces of the longest length that was trained.
    ///
    /// A causal model is scored on the tokens and a final `</s>`, each piece after an `<s>`; a masked one on each token
    /// masked in turn, each piece between `<s>` and `</s>`.
    /// - Throws: `InferenceError.notANumber`; `CancellationError` before the next batch once the task is cancelled.
    public func score(_ text: String) async throws -> TextScore {
        let scored = filtered(text)
        let sequences = await WorkQueue.texts.run { [self] () throws(Never) in
            objective == .clm ? causalSequences(scored) : maskedSequences(scored)
        }
        var (logLikelihood, tokens, next) = (0.0, 0, 0)
        while next < sequences.count {
            try Task.checkCancellation()
            let batch = sequences[next..<batchEnd(sequences, from: next)]
            next = batch.endIndex
            tokens += batch.reduce(0) { $0 + $1.scoredCount }
            logLikelihood += try await WorkQueue.models.run { [self] () throws(InferenceError) in
                try self.logLikelihood(batch)
            }
        }
        let bytes = scored.utf8.count
        return TextScore(
            logLikelihood: logLikelihood, tokens: tokens,
            bitsPerByte: bytes == 0 ? 0 : -logLikelihood / (M_LN2 * Double(bytes)))
    }

    private func causalSequences(_ text: String) -> [ScoredSequence] {
        pieces(of: tokenizer.encode(text) + [SpecialToken.eos.rawValue], length: trainedLength - 1)
            .map { ScoredSequence(piece: $0, masked: nil) }
    }

    private func maskedSequences(_ text: String) -> [ScoredSequence] {
        pieces(of: tokenizer.encode(text), length: trainedLength - 2)
            .flatMap { piece in piece.indices.map { ScoredSequence(piece: piece, masked: $0) } }
    }

    private func pieces(of ids: [Int32], length: Int) -> [ArraySlice<Int32>] {
        let length = max(length, 1)
        return stride(from: 0, to: ids.count, by: length).map { ids[$0..<min($0 + length, ids.count)] }
    }

    /// As many sequences as one turn on the queue is worth: up to 256 tokens, at least one sequence.
    private func batchEnd(_ sequences: [ScoredSequence], from start: Int) -> Int {
        var tokens = sequences[start].piece.count
        var end = start + 1
        while end < sequences.count, tokens + sequences[end].piece.count <= 256 {
            tokens += sequences[end].piece.count
            end += 1
        }
        return end
    }

    private func logLikelihood(_ batch: ArraySlice<ScoredSequence>) throws(InferenceError) -> Double {
        var ids: [Int32] = []
        var offsets = [0]
        var places: [Int] = []
        var labels: [Int32] = []
        for sequence in batch {
            sequence.append(ids: &ids, places: &places, labels: &labels)
            offsets.append(ids.count)
        }
        let rows = configuration.vocabSize
        let logits = model.logits(inputIDs: ids, sequenceOffsets: offsets, rows: places)
        var sum = 0.0
        for (index, label) in labels.enumerated() {
            let scores = logits.withUnsafeBufferPointer {
                Scores(UnsafeBufferPointer(rebasing: $0[index * rows..<(index + 1) * rows]), where: anyID)
            }
            guard scores.infiniteCount == 0 else { throw .notANumber }
            sum += scores.values[Int(label)] - scores.largest - log(scores.normalizer())
        }
        return sum
    }
}

/// A piece of a text, and which of its tokens are looked for.
private struct ScoredSequence: Sendable {
    let piece: ArraySlice<Int32>
    /// The one token that is masked and looked for; nil looks for each, given those before it.
    let masked: Int?

    var scoredCount: Int { masked == nil ? piece.count : 1 }

    /// Adds the sequence as the model gets it, the rows of `ids` at which it is scored, and the ids wanted there.
    func append(ids: inout [Int32], places: inout [Int], labels: inout [Int32]) {
        let start = ids.count
        ids.append(SpecialToken.bos.rawValue)
        if let masked {
            ids += piece
            ids.append(SpecialToken.eos.rawValue)
            let place = start + 1 + (masked - piece.startIndex)
            ids[place] = SpecialToken.mask.rawValue
            places.append(place)
            labels.append(piece[masked])
        } else {
            ids += piece.dropLast()
            places += start..<ids.count
            labels += piece
        }
    }
}
