import FoundationEssentials
import Interface
import Varlink

/// Bits per byte of a text, line by line, through `Score`; shows the quality loss of a precision.
struct ScoreTiming: Encodable {
    var bench = "score"
    var dtype: String
    var model: String
    var lines: Int
    var tokens: Int
    var bitsPerByte: Double
    var tokensPerS: Double

    /// - Parameter lines: maximum number of non-empty lines, from the beginning of the file
    static func measure(socket: String, model: String, file: String, lines limit: Int, dtype: String) throws
        -> ScoreTiming
    {
        let text = try String(contentsOfFile: file, encoding: .utf8)
        let lines = text.split(separator: "\n").map(String.init).filter { !$0.isEmpty }.prefix(limit)
        let client = try VarlinkClient(path: socket)
        var (bits, bytes, tokens) = (0.0, 0, 0)
        let start = ContinuousClock.now
        for line in lines {
            let score = try client.call(InferenceInterface.Score.self, .init(text: line, model: model))
            bits += score.bitsPerByte * Double(line.utf8.count)
            bytes += line.utf8.count
            tokens += score.tokens
        }
        let seconds = (ContinuousClock.now - start).inSeconds
        return ScoreTiming(
            dtype: dtype, model: model, lines: lines.count, tokens: tokens, bitsPerByte: bits / Double(max(bytes, 1)),
            tokensPerS: decimals(Double(tokens) / seconds, 1))
    }
}
