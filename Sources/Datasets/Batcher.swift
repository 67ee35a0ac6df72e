import Jobs
import Random
import Tokenizers

/// Creates the batch of each step as a pure function of the step, so that there is no data position to store.
///
/// Each epoch visits all rows once, or those of a `Replay`, in its own random order; the last batch of an epoch may be
/// smaller.
public struct Batcher: Sendable {
    public let batchSize: Int
    public let stepsPerEpoch: Int
    /// Rows in an epoch.
    public let rowsPerEpoch: Int
    private let replay: Replay?
    private let replaying: Philox
    private let shard: TokenShard
    private let objective: Objective
    private let masking: Masking
    private let cutting: RowCutting
    private let noise: InputNoise
    private let markers: ConversationMarkers?
    private let shuffling: Philox
    private let maskingGenerator: Philox
    /// Row order of the most recently requested epoch.
    private var order: [UInt32] = []
    private var orderedEpoch: Int?

    /// - Parameters:
    ///   - batchSize: rows in a batch, before any of them is cut
    ///   - tokenizerVocabulary: the tokenizer's vocabulary size, which may be smaller than the number of embedding rows
    ///   - markers: those of the tokenizer, if it has any
    ///   - replay: the rows of each epoch; nil for all
    public init(
        shard: TokenShard, objective: Objective, batchSize: Int, recipe: Recipe, tokenizerVocabulary: Int,
        markers: ConversationMarkers? = nil, replay: Replay? = nil
    ) {
        self.markers = markers
        precondition(shard.rows > 0 && batchSize > 0)
        precondition(shard.rows <= Int(UInt32.max), "the number of rows exceeds 32 bits")
        self.shard = shard
        self.objective = objective
        self.batchSize = batchSize
        self.replay = replay
        rowsPerEpoch = replay?.count ?? shard.rows
        stepsPerEpoch = (rowsPerEpoch + batchSize - 1) / batchSize
        replaying = Philox(seed: recipe.seed, purpose: .replay)
        masking = Masking(probability: Float(recipe.mlmProbability), vocabularySize: tokenizerVocabulary)
        cutting = RowCutting(probability: objective == .mlm ? Float(recipe.cutProbability) : 0, seed: recipe.seed)
        noise = InputNoise(
            probability: objective == .clm ? Float(recipe.inputNoise) : 0,
            vocabularySize: markers.map { Int($0.system) } ?? tokenizerVocabulary, seed: recipe.seed)
        shuffling = Philox(seed: recipe.seed, purpose: .shuffling)
        maskingGenerator = Philox(seed: recipe.seed, purpose: .masking)
    }

    /// Returns the batch of a step.
    /// - Parameter step: counted from 0
    public mutating func batch(step: Int) -> Batch {
        let epoch = step / stepsPerEpoch
        if orderedEpoch != epoch { arrange(epoch: epoch) }
        let start = step % stepsPerEpoch * batchSize
        var batch = Batch()
        for (place, row) in order[start..<min(start + batchSize, order.count)].enumerated() {
            shard.append(row: Int(row), to: &batch.inputIDs)
            cutting.cutLastRow(of: &batch, step: UInt32(step), place: place)
            batch.sequenceOffsets.append(batch.inputIDs.count)
        }
        switch objective {
        case .clm:
            batch.scoreNextTokens(markers)
            noise.add(to: &batch, step: UInt32(step))
        case .mlm:
            let draw = UInt32(step)
            for row in 0..<batch.tokens {
                masking.mask(&batch, row: row, block: maskingGenerator.block(step: draw, index: UInt64(row)))
            }
            if batch.scoredRows.isEmpty {
                let block = maskingGenerator.block(step: draw, index: .max)
                masking.maskOne(&batch, rows: 0..<batch.tokens, block: block)
            }
        }
        return batch
    }

    /// Shuffles the rows of an epoch (Fisher–Yates).
    private mutating func arrange(epoch: Int) {
        order = replay?.rows(epoch: epoch, replaying) ?? Array(0..<UInt32(shard.rows))
        for place in stride(from: order.count - 1, to: 0, by: -1) {
            let block = shuffling.block(step: UInt32(epoch), index: UInt64(place) / 4)
            let other = Int(Philox.below(UInt32(place) + 1, block[place % 4]))
            order.swapAt(place, other)
        }
        orderedEpoch = epoch
    }
}

extension Batch {
    /// Makes every token except the last of each sequence predict the next token; of a conversation, only the tokens of the
    /// replies and the markers that end them are predicted.
    /// - Parameter markers: a sequence whose first token after `<s>` is one of them is a conversation
    mutating func scoreNextTokens(_ markers: ConversationMarkers?) {
        for sequence in 0..<sequences {
            let (start, end) = (sequenceOffsets[sequence], sequenceOffsets[sequence + 1])
            var isConversation = false
            if let markers, start + 1 < end { isConversation = markers.ids.contains(inputIDs[start + 1]) }
            var isReply = !isConversation
            for row in start..<end - 1 {
                if isConversation, let markers, markers.ids.contains(inputIDs[row]) {
                    isReply = inputIDs[row] == markers.assistant
                }
                guard isReply else { continue }
                scoredRows.append(row)
                labels.append(inputIDs[row + 1])
            }
        }
    }
}
