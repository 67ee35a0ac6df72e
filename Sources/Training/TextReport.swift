import Datasets
import Formatting
import Jobs

/// The warnings about a run's text, before the first step.
struct TextReport {
    let summary: TextSummary
    let recipe: Recipe
    /// Rows of the training shard.
    let trainingRows: Int

    /// Reasons for which the text is used differently than its user may expect.
    var warnings: [String] {
        [truncation, heldOutShare, smallBatch].compactMap(\.self)
    }

    private var truncation: String? {
        guard summary.truncatedShare > 0 else { return nil }
        guard !summary.corpora.contains(where: { $0.samples == .conversations }) else {
            return """
                \(TextReport.percent(summary.truncatedShare)) of the text teaches nothing: conversations without a reply, and what \
                is left of messages that are longer than block_size = \(recipe.blockSize) tokens
                """
        }
        return """
            \(TextReport.percent(summary.truncatedShare)) of the text is dropped because samples end at block_size = \
            \(recipe.blockSize) tokens (truncate: true, as in the recipe seed); with truncate: false it is trained on too
            """
    }

    private var heldOutShare: String? {
        let used = summary.trainedShare + summary.heldOutShare
        guard used > 0 else { return nil }
        let share = summary.heldOutShare / used
        guard share < recipe.heldOut / 2 || share > recipe.heldOut * 2 else { return nil }
        return """
            \(TextReport.percent(share)) of the text is held out for evaluation instead of \
            \(TextReport.percent(recipe.heldOut)) (held_out): \(reason(share > recipe.heldOut))
            """
    }

    private func reason(_ isMore: Bool) -> String {
        let units = summary.units - summary.filteredUnits - summary.duplicateUnits
        if Double(units) * recipe.heldOut < 10 {
            return "there are only \(MessageFormat.count(units)) units of text, and each is used as a whole"
        }
        return "units with the same text are used alike, and \(isMore ? "many" : "few") of them are held out"
    }

    private var smallBatch: String? {
        guard trainingRows < recipe.samplesPerStep else { return nil }
        return """
            there are only \(MessageFormat.count(trainingRows)) training rows for batches of \
            \(MessageFormat.count(recipe.samplesPerStep)) (per_device_train_batch_size): each step uses all of them
            """
    }

    private static func percent(_ share: Double) -> String {
        "\(MessageFormat.fixed(share * 100, share < 0.01 ? 2 : 1)) %"
    }
}

/// The reason that a text is not enough for a run.
public struct TooLittleText: Sendable, Equatable {
    /// Nil if it is only known that there is no held-out text.
    public var summary: TextSummary?

    /// The minimum for a run: two units to train on and one that is held out.
    private static let fewestUnits = 3

    public init(_ summary: TextSummary?) { self.summary = summary }

    public var message: String {
        guard let summary else {
            return """
                the corpora have no held-out text to evaluate models on: add text, or raise ‘held_out’ and train the \
                models again
                """
        }
        let left = summary.units - summary.filteredUnits - summary.duplicateUnits
        let units = "\(MessageFormat.count(summary.units)) \(noun(summary))"
        guard summary.units > 0 else {
            return "the corpora have no text: all lines are blank. Add at least \(TooLittleText.fewestUnits) lines"
        }
        if left == 0 {
            return """
                the filters left none of \(units) (\(MessageFormat.bytes(summary.bytes))): change ‘filters’ or their values \
                (‘keep’, ‘min_words’, ‘max_words’), or use a text that they are made for
                """
        }
        let dropped = summary.filteredUnits + summary.duplicateUnits
        let found =
            "the corpora have \(units) (\(MessageFormat.bytes(summary.bytes)))"
            + (dropped == 0 ? "" : ", of which the filters left \(MessageFormat.count(left))")
        if summary.isUniform, summary.units > 1 {
            return """
                \(found), which are all the same, so none can be held out for evaluation: add different text, at least \
                \(TooLittleText.fewestUnits - 1) more \(noun(summary))
                """
        }
        let missing = max(1, TooLittleText.fewestUnits - left)
        let bytes = missing * max(1, summary.bytes / summary.units)
        return """
            \(found); a run needs some to train on and some that are held out for evaluation: add at least \(missing) \
            more, about \(MessageFormat.bytes(bytes))\(advice(left, dropped))
            """
    }

    private func advice(_ left: Int, _ dropped: Int) -> String {
        var advice = left >= TooLittleText.fewestUnits ? ", or change ‘held_out’" : ""
        if dropped > 0 { advice += ", or relax ‘filters’" }
        if left < TooLittleText.fewestUnits, dropped == 0 { advice += ", or choose smaller units: ‘samples: lines’" }
        return advice
    }

    /// Returns the noun for the units.
    private func noun(_ summary: TextSummary) -> String {
        let units = Set(summary.corpora.map(\.samples))
        return switch units.count == 1 ? units.first : nil {
        case .lines: "lines"
        case .paragraphs, .packed: "paragraphs"
        case .records: "records"
        case .conversations: "conversations"
        case .auto, nil: "units of text"
        }
    }
}
