import Interface
import Synchronization
import Varlink
import VarlinkServer

/// Canned answers about corpora.
extension Canned {
    private static let sha256 = String(repeating: "ab", count: 32)
    static let searchedText = InferenceInterface.SearchedText(
        corpora: 3, bytes: 1_800_000, removed: 1, omitted: 0, complete: true)
    /// Text with wide characters, and with characters that a terminal must not get.
    static let passages: [InferenceInterface.Passage] = [
        .init(
            corpus: sha256, name: "critique.txt", line: 1204, offset: 93_000,
            before: "is called upon to consider questions which it cannot decline, as they are presented by ",
            matched: "pure reason", after: " itself,\nbut which it cannot answer, as they transcend every faculty"),
        .init(
            corpus: sha256, name: String(repeating: "理性 ", count: 20) + ".txt", line: 7, offset: 12,
            before: "a\u{1B}[2Jb\u{202E}c 理性理性 ", matched: "pure reason", after: " e\u{301}\t理性理性理性理性理性理性理性"),
        .init(
            corpus: sha256, name: "short.txt", line: 1, offset: 0, before: "",
            matched: String(repeating: "pure reason ", count: 20), after: ""),
    ]

    static func addSearch(to service: inout VarlinkService) {
        let asked = Mutex(0)
        service.handle(InferenceInterface.Trace.self) { parameters, _ in
            switch parameters.model {
            case "off": throw InferenceInterface.TraceDisabled()
            case "guarded": throw VarlinkServiceError.permissionDenied(needs: "root or a member of the group games")
            case "imported":
                throw InferenceInterface.NotSearchable(model: "imported", reason: "generation 1 was not trained here")
            default: break
            }
            let length = parameters.text.unicodeScalars.count
            return .init(
                spans: length == 0
                    ? []
                    : [
                        .init(offset: 1, length: length - 1, words: 2, count: 1234, passages: passages),
                        // Out of range: the service may be another one.
                        .init(offset: .max, length: .max, words: 1, count: 1, passages: []),
                    ], words: 9, verbatimWords: 6, omittedSpans: 1, searched: searchedText, receipt: receipt)
        }
        service.handle(InferenceInterface.Find.self) { parameters, _ in
            switch parameters.query {
            case "none": return .init(passages: [], total: 0, counts: [], searched: searchedText, receipt: receipt)
            case "(": throw InferenceInterface.InvalidQuery(reason: "character 1: the group is not closed")
            case "indexing":
                let count = asked.withLock { asked in
                    asked += 1
                    return asked
                }
                guard count > 2 else {
                    throw InferenceInterface.IndexNotReady(bytes: 1_000_000, totalBytes: 4_000_000, retryAfterMs: 10)
                }
            default: break
            }
            let start = Int(parameters.after ?? "0") ?? 0
            let end = min(passages.count, start + (parameters.limit ?? 20))
            return .init(
                passages: Array(passages[start..<end]), total: passages.count,
                counts: [
                    .init(corpus: sha256, name: "critique.txt", received: "2026-01-01T12:00:00.000Z", count: 2),
                    .init(corpus: sha256, name: passages[1].name, received: "2026-01-01T12:00:00.000Z", count: 1),
                ], next: end < passages.count ? "\(end)" : nil, searched: searchedText, receipt: receipt)
        }
        service.handle(InferenceInterface.FillContexts.self) { parameters, _ in
            .init(
                before: "human ", after: ".",
                candidates: parameters.candidates.enumerated().map { index, candidate in
                    .init(
                        candidate: candidate, count: index, widestLeft: 3, widestRight: 1, widestCount: index + 2,
                        passages: passages)
                }, searched: searchedText, receipt: receipt)
        }
    }
}
