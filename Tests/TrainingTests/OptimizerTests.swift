import Jobs
import Models
import Testing
import Training

private func configuration(isDecoder: Bool = true) throws -> RobertaConfiguration {
    try RobertaConfiguration(Preset.tiny.architecture, rows: 512, objective: isDecoder ? .clm : .mlm)
}

@Test func headBiasStartsWithTokenFrequencies() throws {
    let model = RobertaModel.initialized(configuration: try configuration(), seed: 3)
    let counts = (0..<400).map { $0 % 7 == 0 ? 0 : 1000 / ($0 + 1) }
    model.setHeadBias(toFrequencies: counts)
    let bias = model.parameters["lm_head.bias"]
    // The biases must be log probabilities, including tokens that never occur.
    let sum = bias.reduce(0) { $0 + exactExp(Double($1)) }
    #expect(abs(sum - 1) < 1e-5, "\(sum)")
    let total = Double(counts.reduce(0, +)) + 256
    #expect(abs(exactExp(Double(bias[1])) - (500.5 / total)) < 1e-6)
    #expect(bias[0] == bias[511])
}

@Test(arguments: [false, true])
func headsInitiallyAttendToNeighbors(isDecoder: Bool) throws {
    let model = RobertaModel.initialized(
        configuration: try configuration(isDecoder: isDecoder), seed: 3, positionalHeads: true)
    let plain = RobertaModel.initialized(configuration: try configuration(isDecoder: isDecoder), seed: 3)
    // Only positions, queries and keys differ from Hugging Face's initialization.
    for entry in model.parameters.layout.entries {
        let changes = ["position_embeddings.weight", "query.weight", "key.weight"].contains {
            entry.name.hasSuffix($0)
        }
        #expect((Array(model.parameters[entry]) != Array(plain.parameters[entry])) == changes, "\(entry.name)")
    }
    // Computes the scores between positions alone, using the query and key weights of each head in the first layer.
    let (hidden, heads) = (model.configuration.hiddenSize, model.configuration.numAttentionHeads)
    let width = hidden / heads
    let positions = model.parameters["roberta.embeddings.position_embeddings.weight"]
    let query = model.parameters["roberta.encoder.layer.0.attention.self.query.weight"]
    let key = model.parameters["roberta.encoder.layer.0.attention.self.key.weight"]
    func project(_ weight: UnsafeMutableBufferPointer<Float>, _ head: Int, _ position: Int) -> [Float] {
        (0..<width).map { row in
            // Only the first dimensions are initialized; the others are noise.
            (0..<width).reduce(0) {
                $0 + weight[(head * width + row) * hidden + $1] * positions[position * hidden + $1]
            }
        }
    }
    for head in 0..<heads {
        let offset = isDecoder ? -head : head % 2 == 0 ? -(head / 2 + 1) : head / 2 + 1
        let q = project(query, head, 40)
        let scores = (30..<50).map { position in
            zip(q, project(key, head, position)).reduce(0) { $0 + $1.0 * $1.1 }
        }
        let best = scores.indices.max { scores[$0] < scores[$1] }!
        #expect(30 + best == 40 + offset, "head \(head)")
    }
}

/// Computes e^x in double precision without the C library, which could have the same error as the code under test.
private func exactExp(_ x: Double) -> Double {
    var (sum, term) = (1.0, 1.0)
    let small = x / 1024
    for n in 1..<30 {
        term *= small / Double(n)
        sum += term
    }
    return (0..<10).reduce(sum) { power, _ in power * power }
}
