import Random
import Tokenizers

/// Which tokens a masked model has to guess: each with probability `probability`, never a special one; of these 80 %
/// become `<mask>`, 10 % another token, 10 % stay (Devlin et al. 2018, as `DataCollatorForLanguageModeling` does it).
struct Masking: Sendable {
    var probability: Float
    /// Ids from 5 up to here, without it, are what a token is replaced by.
    var vocabularySize: Int

    /// Masks row `row` of the batch if the word at (step, index) says so.
    func mask(_ batch: inout Batch, row: Int, block: Philox.Block) {
        guard isCandidate(batch.inputIDs[row]), Philox.uniform(block[0]) < probability else { return }
        choose(&batch, row: row, block: block)
    }

    /// Makes one row scored, so that a batch always teaches something; none where all tokens are special.
    func maskOne(_ batch: inout Batch, rows: Range<Int>, block: Philox.Block) {
        let candidates = rows.filter { isCandidate(batch.inputIDs[$0]) }
        guard !candidates.isEmpty else { return }
        choose(&batch, row: candidates[Int(Philox.below(UInt32(candidates.count), block[3]))], block: block)
    }

    private func isCandidate(_ id: Int32) -> Bool { id >= Masking.firstOrdinary }

    private func choose(_ batch: inout Batch, row: Int, block: Philox.Block) {
        batch.scoredRows.append(row)
        batch.labels.append(batch.inputIDs[row])
        let share = Philox.uniform(block[1])
        if share < 0.8 {
            batch.inputIDs[row] = SpecialToken.mask.rawValue
        } else if share < 0.9 {
            let ordinary = UInt32(vocabularySize) - UInt32(Masking.firstOrdinary)
            batch.inputIDs[row] = Masking.firstOrdinary + Int32(Philox.below(ordinary, block[2]))
        }
    }

    private static let firstOrdinary = Int32(SpecialToken.allCases.count)
}
