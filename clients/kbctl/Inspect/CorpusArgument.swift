import Glibc
import Interface
import Varlink

extension VarlinkClient {
    /// Returns the SHA-256 of a corpus that a model may be trained on.
    /// - Parameter name: its SHA-256, a unique prefix of it, or the name of its file
    /// - Throws: `Failure` if there is none, or several
    func corpus(_ name: String) throws -> String {
        let corpora = try ["admitted", "set_aside"].flatMap { state in
            try all(ManagerInterface.ListCorpora.self, .init(state: state)) { page in page.corpora }
        }
        let named = Set(corpora.filter { $0.name == name }.map(\.sha256))
        let matches =
            named.isEmpty && !name.isEmpty
            ? Set(corpora.map(\.sha256).filter { $0.hasPrefix(name.lowercased()) }) : named
        guard matches.count < 2 else {
            throw Failure(
                "‘\(name)’ matches \(matches.count) corpora; give digits of the SHA-256 that ‘kbctl corpora’ shows",
                status: EX_USAGE)
        }
        guard let match = matches.first else { throw Failure(noCorpus: name) }
        return match
    }
}
