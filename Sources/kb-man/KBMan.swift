import ArgumentParser
import Daemon
import Foundation

/// Writes the manual pages from what the programs, the settings and their file say of themselves.
@main
struct KBMan: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kb-man", abstract: "Writes the manual pages of the programs and of their settings.")

    @Argument(help: "The folder of the programs.", completion: .directory) var programs: String
    @Argument(help: "kantaibert.yaml with every key.", completion: .file()) var settings: String
    @Argument(help: "The folder to write to; made where it is missing.", completion: .directory) var output: String

    func run() throws {
        try FileManager.default.createDirectory(atPath: output, withIntermediateDirectories: true)
        for page in ProgramPage.all {
            let help = try HelpDump.of("\(programs)/\(page.name)")
            try write(page.text(help), to: "\(page.name).\(page.section)")
        }
        let yaml = try String(contentsOfFile: settings, encoding: .utf8)
        try write(try SettingsPage.text(yaml), to: "kantaibert.yaml.5")
    }

    private func write(_ text: String, to name: String) throws {
        try Data(text.utf8).write(to: URL(filePath: "\(output)/\(name)"), options: .atomic)
    }
}
