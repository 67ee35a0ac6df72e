import Foundation

/// The output of `--experimental-dump-help` of a program that uses swift-argument-parser (its ArgumentParserToolInfo), as
/// far as a page needs it.
struct HelpDump: Decodable {
    struct Command: Decodable {
        var commandName: String
        var abstract: String?
        var discussion: String?
        var shouldDisplay: Bool
        var subcommands: [Command]?
        var arguments: [Argument]?
    }

    struct Argument: Decodable {
        enum Kind: String, Decodable {
            case positional, option, flag
        }

        struct Name: Decodable {
            enum Kind: String, Decodable {
                case long, short, longWithSingleDash
            }

            var kind: Kind
            var name: String

            var text: String { (kind == .long ? "--" : "-") + name }
        }

        var kind: Kind
        var isOptional: Bool
        var isRepeating: Bool
        var shouldDisplay: Bool
        var names: [Name]?
        var valueName: String?
        var defaultValue: String?
        var abstract: String?
    }

    var command: Command

    struct Failed: Error, CustomStringConvertible {
        let program: String
        let reason: String
        var description: String { "\(program) --experimental-dump-help: \(reason)" }
    }

    static func of(_ program: String) throws -> Command {
        let process = Process()
        process.executableURL = URL(filePath: program)
        process.arguments = ["--experimental-dump-help"]
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let json = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw Failed(program: program, reason: "exit status \(process.terminationStatus)")
        }
        return try JSONDecoder().decode(HelpDump.self, from: json).command
    }
}
