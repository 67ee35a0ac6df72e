import ArgumentParser
import Glibc
import Interface
import Varlink

struct RemoveCorpora: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rm", abstract: "Take texts out of the next training.",
        discussion: "A run that has begun, and a model that has learned from them, keep what they have.")

    @Argument(help: ArgumentHelp("Their SHA-256, or its beginning; ‘kbctl corpora’ shows it.", valueName: "sha256"))
    var corpora: [String]

    @OptionGroup var global: GlobalOptions

    func run() throws {
        let client = try global.connect()
        let there = try ["admitted", "set_aside"].flatMap { state in
            try client.all(ManagerInterface.ListCorpora.self, .init(state: state)) { page in page.corpora.map(\.sha256)
            }
        }
        // All are looked up before one is removed.
        let found = try corpora.map { beginning in
            let matches = Set(there).filter { $0.hasPrefix(beginning.lowercased()) }
            guard matches.count < 2 else {
                throw Failure(
                    "‘\(beginning)’ is the beginning of \(matches.count) corpora: give more of it", status: EX_USAGE)
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
