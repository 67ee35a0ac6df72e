import Glibc
import Kernels

/// Attention that knows its neighbours before it has learned anything.
///
/// A small corpus does not teach a new transformer where to look before it has taught it how often each token occurs, and
/// there it stays for long. So the position table holds sinusoids (Vaswani et al. 2017, section 3.5) on the first
/// dimensions, as many as a head is wide; a head's key reads them as they are, its query turned by as many positions as
/// the head's neighbour is away: q(i)·k(j) is largest at j = i + offset. In the spirit of mimetic initialization (Trockman &
/// Kolter 2023). It changes where training begins and nothing else: position table, queries and keys are learned like
/// every other parameter.
struct PositionalHeads {
    let configuration: RobertaConfiguration
    /// The score, after division by √width, of the token looked at, above that of any other, in the first layer.
    private static let sharpness = 5.0

    /// Which neighbour each head looks at: −1, +1, −2, +2, … or, where none is seen that follows, 0, −1, −2, …
    private func offset(head: Int) -> Int {
        if configuration.isDecoder { return -head }
        return head % 2 == 0 ? -(head / 2 + 1) : head / 2 + 1
    }

    private var width: Int { configuration.hiddenSize / configuration.numAttentionHeads }
    /// Pairs of sine and cosine.
    private var frequencies: Int { width / 2 }

    /// Evenly spread up to half a turn a position: scores then cancel for every distance but 0 up to 2 · width.
    private func frequency(_ index: Int) -> Double { Double.pi * (Double(index) + 0.5) / Double(frequencies) }

    func write(to parameters: Parameters) {
        let hidden = configuration.hiddenSize
        // Positions and words are equally strong in the sum that the first LayerNorm sees.
        let amplitude = configuration.initializerRange * sqrt(Double(hidden) / Double(frequencies))
        let positions = parameters.matrix("roberta.embeddings.position_embeddings.weight")
        for position in Int(RobertaConfiguration.firstPosition)..<positions.rows {
            for index in 0..<frequencies {
                let angle = frequency(index) * Double(position)
                positions.row(position)[2 * index] = Float(amplitude * sin(angle))
                positions.row(position)[2 * index + 1] = Float(amplitude * cos(angle))
            }
        }
        // LayerNorm makes each pair's length √(hidden / width), and a score sums `frequencies` of them.
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
