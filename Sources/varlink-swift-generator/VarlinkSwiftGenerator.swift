import FoundationEssentials
import Glibc
import VarlinkGenerator

/// Translates one interface definition to Swift: `varlink-swift-generator INPUT.varlink OUTPUT.swift`.
@main struct VarlinkSwiftGenerator {
    static func main() {
        let arguments = CommandLine.arguments
        guard arguments.count == 3 else { fail("usage: varlink-swift-generator INPUT.varlink OUTPUT.swift", EX_USAGE) }
        let (input, output) = (arguments[1], arguments[2])
        do {
            let data = try Data(contentsOf: URL(filePath: input))
            guard let text = String(validating: data, as: UTF8.self) else {
                fail("\(input): error: not UTF-8", EX_DATAERR)
            }
            let interface = try Parser.parse(text)
            let source = SwiftEmitter.source(for: interface, fileName: URL(filePath: input).lastPathComponent)
            try Data(source.utf8).write(to: URL(filePath: output))
        } catch let error as InterfaceDefinitionError {
            fail("\(input):\(error)", EX_DATAERR)
        } catch {
            fail("\(input): error: \(error)", EX_IOERR)
        }
    }

    private static func fail(_ message: String, _ status: Int32) -> Never {
        let line = Array("\(message)\n".utf8)
        _ = write(STDERR_FILENO, line, line.count)
        exit(status)
    }
}
