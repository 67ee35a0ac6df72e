import Random
import Tokenizers

/// Cuts rows into shorter ones, so that a masked model learns to read texts of every length: a model that has only seen
/// whole paragraphs fills masks in single lines poorly, and vice versa.
///
/// A row of at least 64 tokens, about five lines of a book, is either left whole or cut throughout, anew in each epoch;
/// shorter rows already resemble single lines. The tokens of cut rows are spread evenly over pieces of all octaves of
/// length, from 4 tokens to the length of the row. Each piece gets its own `<s>` and `</s>`.
struct RowCutting: Sendable {
    let probability: Float
    private let generator: Philox

    init(probability: Float, seed: UInt64) {
        self.probability = probability
        generator = Philox(seed: seed, purpose: .cutting)
    }

    /// The shortest row that is cut, in tokens with `<s>` and `</s>`.
    static let shortestRow = 64
    /// The shortest piece, except for the last one of a row, in tokens without `<s>` and `</s>`.
    static let shortest = 4

    /// Cuts the tokens of `batch` that do not yet belong to a sequence. The caller ends the last sequence.
    /// - Parameters:
    ///   - step: the step that the batch belongs to
    ///   - place: the place of the row in the batch, counted from 0
    func cutLastRow(of batch: inout Batch, step: UInt32, place: Int) {
        guard probability > 0 else { return }
        let start = batch.sequenceOffsets[batch.sequenceOffsets.count - 1]
        let row = Array(batch.inputIDs[start...])
        let tokens = row.dropFirst().dropLast()
        guard row.count >= RowCutting.shortestRow,
            Philox.uniform(generator.block(step: step, index: UInt64(place) << 32)[0]) < probability
        else { return }
        let octaves = octaves(of: tokens.count)
        batch.inputIDs.removeSubrange(start...)
        var (rest, piece) = (tokens[...], 0)
        while true {
            piece += 1
            let block = generator.block(step: step, index: UInt64(place) << 32 | UInt64(piece))
            // An octave is half as probable as the one before, whose pieces are half as long.
            let least = UInt32(RowCutting.shortest) << min(block[0].trailingZeroBitCount, octaves - 1)
            let length = Int(least + Philox.below(least, block[1]))
            batch.inputIDs.append(row.first!)
            batch.inputIDs += rest.prefix(length)
            batch.inputIDs.append(row.last!)
            rest = rest.dropFirst(length)
            if rest.isEmpty { return }
            batch.sequenceOffsets.append(batch.inputIDs.count)
        }
    }

    /// Returns the number of octaves from the shortest piece to `tokens`.
    private func octaves(of tokens: Int) -> Int {
        var (octaves, length) = (0, RowCutting.shortest)
        while length < tokens {
            octaves += 1
            length *= 2
        }
        return octaves
    }
}
