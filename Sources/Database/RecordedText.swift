import Durable

/// What text in a record may have: others read it, page by page, and none makes a page too large to be sent.
enum RecordedText {
    /// Bytes of a reason.
    static let longestReason = 1024
    /// Bytes of the name of a file.
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
