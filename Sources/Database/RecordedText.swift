import Durable

/// Maximum lengths of text in records, so that no row makes a page of a list too large to send.
enum RecordedText {
    /// Maximum length of a reason in bytes.
    static let longestReason = 1024
    /// Maximum length of a file name in bytes.
    static let longestName = 255
}

extension CorpusRecord {
    var bounded: CorpusRecord {
        var record = self
        record.name = name.boundedInTheMiddle(toBytes: RecordedText.longestName)
        record.reason = reason?.bounded(toBytes: RecordedText.longestReason)
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
