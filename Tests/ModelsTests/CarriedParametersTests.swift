import Models
import Testing

@Suite struct CarriedParametersTests {
    private static func model(rows: Int, seed: UInt64) -> RobertaModel {
        let model = RobertaModel.initialized(
            configuration: RobertaConfiguration(
                vocabSize: rows, hiddenSize: 16, numHiddenLayers: 1, numAttentionHeads: 2, intermediateSize: 24,
                maxPositionEmbeddings: 20, isDecoder: true), seed: seed)
        let bias = model.parameters["lm_head.bias"]
        for id in bias.indices { bias[id] = Float(id) / 8 - Float(seed) }
        return model
    }

    private static let words = "roberta.embeddings.word_embeddings.weight"

    @Test func sameRowsGiveTheSameModel() {
        let (earlier, model) = (Self.model(rows: 70, seed: 1), Self.model(rows: 70, seed: 2))
        model.carryOver(from: earlier, pieces: (0..<70).map { [$0] })
        #expect(Array(model.parameters.values) == Array(earlier.parameters.values))
    }

    @Test func rowsAreCopiedComposedOrNew() {
        let (earlier, model) = (Self.model(rows: 70, seed: 1), Self.model(rows: 80, seed: 2))
        let fresh = Array(model.parameters[Self.words])
        var pieces = (0..<80).map { [Int32(79 - $0) % 70] }
        (pieces[10], pieces[20]) = ([7, 9], [])
        model.carryOver(from: earlier, pieces: pieces)
        let (table, old) = (model.parameters[Self.words], earlier.parameters[Self.words])
        let (bias, oldBias) = (model.parameters["lm_head.bias"], earlier.parameters["lm_head.bias"])
        for column in 0..<16 {
            #expect(table[3 * 16 + column] == old[6 * 16 + column])
            #expect(table[10 * 16 + column] == (old[7 * 16 + column] + old[9 * 16 + column]) / 2)
            #expect(table[20 * 16 + column] == fresh[20 * 16 + column])
        }
        #expect(bias[3] == oldBias[6] && bias[10] == (oldBias[7] + oldBias[9]) / 2 && bias[20] == oldBias.min())
        for entry in earlier.parameters.layout.entries where entry.name != Self.words && entry.name != "lm_head.bias" {
            #expect(Array(model.parameters[entry.name]) == Array(earlier.parameters[entry.name]), "\(entry.name)")
        }
    }

    @Test func shrinkInterpolatesWithTheUntrainedModel() {
        let (earlier, model) = (Self.model(rows: 70, seed: 1), Self.model(rows: 70, seed: 2))
        let fresh = Array(model.parameters.values)
        model.carryOver(from: earlier, pieces: (0..<70).map { [$0] }, shrink: 0.25)
        for (place, value) in model.parameters.values.enumerated() {
            let expected = 0.25 * earlier.parameters.values[place] + 0.75 * fresh[place]
            #expect(abs(value - expected) <= 1e-6 * max(1, abs(expected)))
        }
    }
}
