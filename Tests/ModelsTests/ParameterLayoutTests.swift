import Models
import Testing

@Suite struct ParameterLayoutTests {
    static let kantaibert = RobertaConfiguration(
        vocabSize: 52_000, hiddenSize: 768, numHiddenLayers: 6, numAttentionHeads: 12, intermediateSize: 3072,
        maxPositionEmbeddings: 514, isDecoder: false)

    @Test func kantaibertHas83504416ParametersIn106Tensors() {
        let layout = ParameterLayout(Self.kantaibert)
        #expect(layout.entries.count == 106)
        #expect(layout.count == 83_504_416)
        #expect(layout.entries.allSatisfy { $0.offset % 16 == 0 })
        #expect(layout.entry("lm_head.decoder.weight") == nil)
    }

    @Test func biasesAndLayerNormsAreNotDecayed() {
        let layout = ParameterLayout(Self.kantaibert)
        let decayed = layout.entries.filter(\.isDecayed).map(\.name)
        #expect(decayed.count == 3 + 6 * 6 + 1)
        #expect(decayed.allSatisfy { $0.hasSuffix("weight") && !$0.lowercased().contains("norm") })
    }
}
