import Datasets
import Inference
import Jobs

/// Finds the lines of a corpus that are the most unexpected to a model.
struct CorpusReview: Sendable {
    /// Size of the sample of a larger corpus in bytes. A masked model takes five passes for what a causal one does in one.
    static func sampleBytes(_ objective: Objective) -> Int { objective == .clm ? 2 << 20 : 512 << 10 }
    /// Memory in bytes that a review uses, apart from the model's: the sample and the results of its lines.
    static let memoryBytes = 32 << 20
    /// Size of the text that is scored between two reports of progress, in bytes.
    private static let stepBytes = 4 << 10

    let engine: InferenceEngine
    let sample: CorpusSample
    let user: UInt32

    /// - Parameters:
    ///   - limit: number of lines to return
    ///   - progress: receives the number of lines scored so far, every few kilobytes
    func lines(_ limit: Int, progress: (Int) async throws -> Void) async throws -> UnexpectedLines.Result {
        var found = UnexpectedLines()
        var next = sample.lines.startIndex
        while next < sample.lines.endIndex {
            var (end, bytes) = (next, 0)
            while end < sample.lines.endIndex, bytes < Self.stepBytes {
                bytes += sample.lines[end].text.utf8.count
                end += 1
            }
            let texts = sample.lines[next..<end].map(\.text)
            for (text, surprise) in zip(texts, try await engine.surprises(texts, for: user)) {
                found.add(text, surprise)
            }
            next = end
            try await progress(found.count)
        }
        return found.result(limit)
    }
}
