import ArgumentParser
import Glibc
import Interface
import Varlink

struct RemoveCorpora: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rm", abstract: "Exclude corpora from future training.",
        discussion: "Runs that have started and models that were trained on them are not affected.")

    @Argument(
        help: ArgumentHelp("SHA-256 digests, or unique prefixes; see ‘kbctl corpora’.", valueName: "sha256"),
        completion: .corpora)
    var corpora: [String]

    @OptionGroup var global: GlobalOptions

    func run() throws {
        let client = try global.connect()
        let there = try ["admitted", "set_aside"].flatMap { state in
            try client.all(ManagerInterface.ListCorpora.self, .init(state: state)) { page in page.corpora.map(\.sha256)
            }
        }
        // All are looked up before any is removed.
        let found = try corpora.map { beginning in
            let matches = Set(there).filter { $0.hasPrefix(beginning.lowercased()) }
            guard matches.count < 2 else {
                throw Failure(
                    "‘\(beginning)’ matches \(matches.count) corpora; give more digits", status: EX_USAGE)
            }
            guard let match = matches.first, !beginning.isEmpty else {
                throw Failure(noCorpus: beginning)
            }
            return match
        }
        for sha256 in found { _ = try client.call(ManagerInterface.RemoveCorpus.self, .init(sha256: sha256)) }
        if global.json { try Terminal.json(found) }
    }
}
