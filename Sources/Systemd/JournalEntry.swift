import CSystemd
import Glibc
import Logging

/// A journal entry: a list of `FIELD=value`, including `MESSAGE`.
package struct JournalEntry: Sendable, Equatable {
    package var fields: [String: String]

    /// - Parameter metadata: each key becomes a field, see `fieldName`
    package init(
        level: Logger.Level, message: String, metadata: Logger.Metadata, file: String, line: UInt, label: String
    ) {
        fields = [
            "MESSAGE": message,
            "PRIORITY": "\(JournalEntry.priority(of: level))",
            "CODE_FILE": file,
            "CODE_LINE": "\(line)",
            "KB_LOGGER": label,
        ]
        for (key, value) in metadata { fields[JournalEntry.fieldName(key)] = "\(value)" }
    }

    /// Converts a metadata key: `step` and `KB_STEP` become `KB_STEP`; `MESSAGE_ID`, a field of the journal's own, is unchanged.
    ///
    /// Characters that are not allowed in field names become `_`; names are truncated to 64 bytes.
    package static func fieldName(_ key: String) -> String {
        var name = ""
        for byte in key.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"): name.unicodeScalars.append(Unicode.Scalar(byte - 32))
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"):
                name.unicodeScalars.append(Unicode.Scalar(byte))
            default: name.append("_")
            }
        }
        if name != "MESSAGE_ID", !name.hasPrefix("KB_") { name = "KB_" + name }
        return String(name.prefix(64))
    }

    /// The level of syslog(3); lower is more urgent.
    private static func priority(of level: Logger.Level) -> Int32 {
        switch level {
        case .trace, .debug: LOG_DEBUG
        case .info: LOG_INFO
        case .notice: LOG_NOTICE
        case .warning: LOG_WARNING
        case .error: LOG_ERR
        case .critical: LOG_CRIT
        }
    }

    /// Sends the entry.
    /// - Returns: whether the journal accepted it
    func send() -> Bool {
        let texts = fields.sorted { $0.key < $1.key }.map { Array("\($0.key)=\($0.value)".utf8) }
        var vectors: [iovec] = []
        return withPointers(to: texts[...], into: &vectors) { sd_journal_sendv($0, Int32(texts.count)) == 0 }
    }

    /// Calls `body` with pointers to all fields, which are valid during the call.
    private func withPointers(
        to texts: ArraySlice<[UInt8]>, into vectors: inout [iovec], _ body: (UnsafePointer<iovec>) -> Bool
    ) -> Bool {
        guard let text = texts.first else { return vectors.withUnsafeBufferPointer { body($0.baseAddress!) } }
        return text.withUnsafeBytes { bytes in
            vectors.append(iovec(iov_base: UnsafeMutableRawPointer(mutating: bytes.baseAddress), iov_len: bytes.count))
            return withPointers(to: texts.dropFirst(), into: &vectors, body)
        }
    }
}
