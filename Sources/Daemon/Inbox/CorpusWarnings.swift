import Database
import Events
import Varlink

extension ServiceEvent {
    /// Creates the event that reports the warnings about an admitted corpus; nil if there are none. The message has the
    /// first warnings, as many as fit into it, and the number of the others.
    package init?(warningsOf corpus: CorpusRecord) {
        guard let warnings = corpus.warnings, !warnings.isEmpty else { return nil }
        var fields: [String: JSONValue] = [
            "name": .string(corpus.name), "warnings": .array(warnings.map(JSONValue.string)),
        ]
        fields["encoding"] = corpus.encoding.map(JSONValue.string)
        fields["format"] = corpus.format.map(JSONValue.string)
        let fitting = (1...warnings.count).reversed().lazy
            .map { Self.message(corpus.name, warnings, shown: $0) }
            .first { $0.utf8.count <= Self.longestMessage }
        self.init(
            .corpusWarning, fitting ?? Self.message(corpus.name, warnings, shown: 1), model: corpus.model,
            corpus: corpus.sha256, fields: fields)
    }

    private static func message(_ name: String, _ warnings: [String], shown count: Int) -> String {
        let left = warnings.count - count
        let others = left == 0 ? [] : ["and \(left) more, which ‘kbctl corpora’ shows"]
        return "\(name): \((warnings.prefix(count) + others).joined(separator: "; "))"
    }
}
