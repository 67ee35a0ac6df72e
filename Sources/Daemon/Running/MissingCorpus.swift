import FoundationEssentials
import Jobs

/// A run that cannot begin, as what it is to learn from is recorded and not there.
enum MissingCorpus: Error, CustomStringConvertible {
    /// Their files have gone from `corpus/`.
    case deleted([JobCorpus])
    /// All of it was taken out, or set aside, since the run was asked for.
    case takenOut

    /// - Throws: `MissingCorpus`
    static func check(_ corpora: [JobCorpus]) throws(MissingCorpus) {
        guard !corpora.isEmpty else { throw .takenOut }
        let deleted = corpora.filter { !FileManager.default.fileExists(atPath: $0.path) }
        guard deleted.isEmpty else { throw .deleted(deleted) }
    }

    var description: String {
        switch self {
        case .deleted(let corpora):
            let names = corpora.prefix(3).map(\.name).joined(separator: ", ") + (corpora.count > 3 ? ", …" : "")
            let beginnings = corpora.prefix(3).map { $0.sha256.prefix(12) }.joined(separator: " ")
            return
                "what it is to learn from has gone from corpus/: \(names). Put the file into the inbox again, or take "
                + "the text out with ‘kbctl corpora rm \(beginnings)\(corpora.count > 3 ? " …" : "")’"
        case .takenOut: return "all texts that it was to learn from have been taken out, or set aside"
        }
    }
}
