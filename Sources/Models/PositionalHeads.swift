import Glibc
import Kernels

/// Attention heads that are initialized to attend to neighboring tokens.
///
/// On a small corpus, a new transformer first learns token frequencies, and takes long to learn to attend to specific
/// positions. Here the position table is initialized with sinusoids (Vaswani et al. 2017, section 3.5) in its first
/// dimensions, as many as a head is wide. A head's key weights copy them; its query weights rotate them by the offset
/// of the neighbor that the head attends to, so that q(i)·k(j) is largest at j = i + offset. This follows mimetic
/// initialization (Trockman & Kolter 2023). Only the starting point of training changes: position table, queries and
/// keys are trained like every other parameter.
struct PositionalHeads {
    let configuration: RobertaConfiguration
    /// Score margin, after division by √width, of the attended token over any other token, in the first layer.
    private static let sharpness = 5.0

    /// Returns the offset of the neighbor that a head attends to: −1, +1, −2, +2, …, or 0, −1, −2, … in a causal model.
    private func offset(head: Int) -> Int {
        if configuration.isDecoder { return -head }
        return head % 2 == 0 ? -(head / 2 + 1) : head / 2 + 1
    }

    private var width: Int { configuration.hiddenSize / configuration.numAttentionHeads }
    /// Number of pairs of sine and cosine.
    private var frequencies: Int { width / 2 }

    /// Returns evenly spaced angular frequencies up to π per position: scores then cancel for all distances from 1 to
    /// 2 · width.
    private func frequency(_ index: Int) -> Double { Double.pi * (Double(index) + 0.5) / Double(frequencies) }

    func write(to parameters: Parameters) {
        let hidden = configuration.hiddenSize
        // Position and word embeddings contribute equally to the input of the first LayerNorm.
        let amplitude = configuration.initializerRange * sqrt(Double(hidden) / Double(frequencies))
        let positions = parameters.matrix("roberta.embeddings.position_embeddings.weight")
        for position in Int(RobertaConfiguration.firstPosition)..<positions.rows {
            for index in 0..<frequencies {
                let angle = frequency(index) * Double(position)
                positions.row(position)[2 * index] = Float(amplitude * sin(angle))
                positions.row(position)[2 * index + 1] = Float(amplitude * cos(angle))
            }
        }
        // LayerNorm scales each pair to length √(hidden / width), and a score sums `frequencies` of them.
        let gain = sqrt(Self.sharpness * 2 * sqrt(Double(width)) / Double(hidden))
        for layer in 0..<configuration.numHiddenLayers {
            let name = "roberta.encoder.layer.\(layer).attention.self"
            let query = parameters.matrix("\(name).query.weight")
            let key = parameters.matrix("\(name).key.weight")
            for head in 0..<configuration.numAttentionHeads {
                for index in 0..<frequencies {
                    let row = head * width + 2 * index
                    let turn = frequency(index) * Double(offset(head: head))
                    let (along, across) = (Float(gain * cos(turn)), Float(gain * sin(turn)))
                    query.row(row)[2 * index] += along
                    query.row(row)[2 * index + 1] += across
                    query.row(row + 1)[2 * index] -= across
                    query.row(row + 1)[2 * index + 1] += along
                    key.row(row)[2 * index] += Float(gain)
                    key.row(row + 1)[2 * index + 1] += Float(gain)
                }
            }
        }
    }
}
