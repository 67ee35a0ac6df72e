import Random
import Tokenizers

/// Masks tokens for masked language modeling. Each token is selected with probability `probability`, except special
/// tokens; of the selected tokens 80 % become `<mask>`, 10 % a random token, and 10 % stay unchanged (Devlin et al.
/// 2018, as in `DataCollatorForLanguageModeling`).
struct Masking: Sendable {
    var probability: Float
    /// Exclusive upper bound of the ids of random tokens; the lower bound is 5.
    var vocabularySize: Int

    /// Masks row `row` of the batch if the random block selects it.
    func mask(_ batch: inout Batch, row: Int, block: Philox.Block) {
        guard isCandidate(batch.inputIDs[row]), Philox.uniform(block[0]) < probability else { return }
        choose(&batch, row: row, block: block)
    }

    /// Masks one row, so that every batch has a scored token. Does nothing if all tokens are special.
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
