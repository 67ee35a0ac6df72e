import Formatting
import Jobs
import TextFilters

extension TextSummary {
    /// The summary as a sentence for the log, such as `text: 1.2 MB in 3,121 units, 301,223 tokens; 94.9 % trained on,
    /// 5.1 % held out, nothing left out; book.txt: paragraphs of hard-wrapped lines, lines joined`.
    var message: String {
        var text =
            "text: \(MessageFormat.bytes(bytes)) in \(MessageFormat.count(units, "unit")), "
            + "\(MessageFormat.count(tokens, "token")); \(percent(trainedShare)) trained on, "
            + "\(percent(heldOutShare)) held out, "
        text += leftOut.isEmpty ? "nothing left out" : "\(percent(leftOutShare)) left out: \(leftOut)"
        for filter in filters { text += "; \(filter.message)" }
        for corpus in corpora { text += "; \(corpus.name): \(corpus.reason)" }
        if corpusCount > corpora.count { text += "; and \(MessageFormat.count(corpusCount - corpora.count)) more" }
        return text
    }

    /// What was left out and why; empty if nothing was.
    private var leftOut: String {
        var reasons: [String] = []
        if filteredShare > 0 {
            let units = filteredUnits > 0 ? " with \(MessageFormat.count(filteredUnits, "whole unit"))" : ""
            reasons.append("\(percent(filteredShare)) by filters\(units)")
        }
        if duplicateShare > 0 {
            reasons.append(
                "\(percent(duplicateShare)) in \(MessageFormat.count(duplicateUnits, "duplicate")) (\(duplicateFilters))"
            )
        }
        if truncatedShare > 0 {
            let isContext = corpora.contains { $0.samples == .conversations }
            reasons.append(
                "\(percent(truncatedShare)) \(isContext ? "in messages without a reply" : "beyond block_size (truncate)")"
            )
        }
        return reasons.joined(separator: ", ")
    }

    private var duplicateFilters: String {
        let names = filters.map(\.filter).filter(\.isForDuplicates).map(\.rawValue)
        return (names.isEmpty ? ["dedupe_lines"] : names).joined(separator: ", ")
    }

    private func percent(_ share: Double) -> String { "\(MessageFormat.fixed(share * 100, 1)) %" }
}

extension FilterCount {
    /// `min_words: 3,121 units (1.2 MB) → 2,900 (1.1 MB)`. Equal numbers on both sides do not mean that nothing
    /// changed.
    fileprivate var message: String {
        "\(filter.rawValue): \(MessageFormat.count(unitsBefore, "unit")) (\(MessageFormat.bytes(bytesBefore))) → "
            + "\(MessageFormat.count(unitsAfter)) (\(MessageFormat.bytes(bytesAfter)))"
    }
}
