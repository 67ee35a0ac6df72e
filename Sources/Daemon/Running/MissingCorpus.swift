import FoundationEssentials
import Jobs

/// Why a run cannot start: its corpora are recorded, but do not exist.
enum MissingCorpus: Error, CustomStringConvertible {
    /// Their files were deleted from `corpus/`.
    case deleted([JobCorpus])
    /// All of them were removed or set aside after the run was queued.
    case takenOut

    /// Checks that there is a corpus and that all files exist.
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
                "files are missing from corpus/: \(names). Put the file into the inbox again, or remove the corpus "
                + "with ‘kbctl corpora rm \(beginnings)\(corpora.count > 3 ? " …" : "")’"
        case .takenOut: return "all of its corpora have been removed or set aside"
        }
    }
}
