import Durable

/// Maximum lengths of text in records, so that no row makes a page of a list too large to send.
enum RecordedText {
    /// Maximum length of a reason in bytes.
    static let longestReason = 1024
    /// Maximum length of a file name in bytes.
    static let longestName = 255
    /// Maximum length of the name of an encoding in bytes.
    static let longestEncoding = 64
    /// Maximum length of the name of a format in bytes.
    static let longestFormat = 256
    /// Maximum number of warnings about a corpus.
    static let mostWarnings = 16
    /// Maximum length of a warning in bytes.
    static let longestWarning = 512

    /// Returns at most `mostWarnings`, of which the last one may give the number of those that were left out. Returns
    /// nil if there are none.
    static func bounded(warnings: [String]) -> [String]? {
        guard !warnings.isEmpty else { return nil }
        let kept = warnings.count > mostWarnings ? Array(warnings.prefix(mostWarnings - 1)) : warnings
        let left = warnings.count - kept.count
        return kept.map { $0.bounded(toBytes: longestWarning) }
            + (left > 0 ? ["\(left) more warnings are not shown"] : [])
    }
}

extension CorpusRecord {
    var bounded: CorpusRecord {
        var record = self
        record.name = name.boundedInTheMiddle(toBytes: RecordedText.longestName)
        record.reason = reason?.bounded(toBytes: RecordedText.longestReason)
        record.encoding = encoding?.bounded(toBytes: RecordedText.longestEncoding)
        record.format = format?.bounded(toBytes: RecordedText.longestFormat)
        record.warnings = warnings.flatMap(RecordedText.bounded)
        return record
    }
}

extension RunRecord {
    var bounded: RunRecord {
        var record = self
        record.reason = reason?.bounded(toBytes: RecordedText.longestReason)
        return record
    }
}

extension GenerationRecord {
    var bounded: GenerationRecord {
        var record = self
        record.reason = reason?.bounded(toBytes: RecordedText.longestReason)
        return record
    }
}
