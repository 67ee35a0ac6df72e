import Database
import Events
import Varlink

extension ServiceEvent {
    /// Creates the event that reports all warnings about an admitted corpus; nil if there are none.
    package init?(warningsOf corpus: CorpusRecord) {
        guard let warnings = corpus.warnings, !warnings.isEmpty else { return nil }
        var fields: [String: JSONValue] = [
            "name": .string(corpus.name), "warnings": .array(warnings.map(JSONValue.string)),
        ]
        fields["encoding"] = corpus.encoding.map(JSONValue.string)
        fields["format"] = corpus.format.map(JSONValue.string)
        self.init(
            .corpusWarning, "\(corpus.name): \(warnings.joined(separator: "; "))", model: corpus.model,
            corpus: corpus.sha256, fields: fields)
    }
}
