import ArgumentParser
import Foundation

/// Writes the files that are generated from the programs and from the tables in them.
@main
struct KBMan: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kb-man", abstract: "Writes the manual pages and the generated files of the repository.",
        subcommands: [Pages.self, Generate.self])
}

struct Pages: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Writes the manual pages of the programs and of the settings file.")

    @Argument(help: "The directory of the programs.", completion: .directory) var programs: String
    @Argument(help: "The directory to write to. It is created if necessary.", completion: .directory) var output: String

    func run() throws {
        try FileManager.default.createDirectory(atPath: output, withIntermediateDirectories: true)
        for page in ProgramPage.all {
            let help = try HelpDump.of("\(programs)/\(page.name)")
            try write(page.text(help), to: "\(page.name).\(page.section)")
        }
        try write(SettingsPage.text, to: "kantaibert.yaml.5")
    }

    private func write(_ text: String, to name: String) throws {
        try Data(text.utf8).write(to: URL(filePath: "\(output)/\(name)"), options: .atomic)
    }
}

struct Generate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Rewrites the committed files that are generated from tables in the sources.",
        discussion: "Exit status: 0; with --check 1 if a file is stale.")

    @Flag(help: "Only report the files that are stale.") var check = false
    @Argument(help: "The root of the repository.", completion: .directory) var root: String

    func run() throws {
        var isStale = false
        for file in GeneratedFile.all {
            let url = URL(filePath: "\(root)/\(file.path)")
            let data = Data(file.text.utf8)
            guard (try? Data(contentsOf: url)) != data else { continue }
            isStale = true
            if check {
                print("\(file.path) is stale: run `make generate`")
            } else {
                try data.write(to: url, options: .atomic)
                print("\(file.path) is rewritten")
            }
        }
        if check && isStale { throw ExitCode.failure }
    }
}
