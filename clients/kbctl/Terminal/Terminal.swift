import FoundationEssentials
import Glibc

/// Standard output and error, and the properties of the terminal.
enum Terminal {
    /// Whether standard output is a terminal.
    static let isInteractive = isatty(STDOUT_FILENO) == 1

    /// Columns of the screen; nil if standard output is not a terminal.
    static var columns: Int? { size?.columns }

    /// Rows of the screen; nil if standard output is not a terminal.
    static var size: (columns: Int, rows: Int)? { size(of: STDOUT_FILENO) }

    private static func size(of descriptor: Int32) -> (columns: Int, rows: Int)? {
        guard isatty(descriptor) == 1 else { return nil }
        var size = winsize()
        guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else {
            return (80, 24)
        }
        return (Int(size.ws_col), Int(size.ws_row))
    }

    /// Writes without buffering, so that generated text appears immediately.
    static func write(_ text: String) {
        put(text, to: STDOUT_FILENO)
    }

    static func writeError(_ text: String) { put(text, to: STDERR_FILENO) }

    static func line(_ text: String) {
        write(text + "\n")
    }

    /// Prints text wrapped to the screen.
    ///
    /// - Parameters:
    ///   - lead: printed before the text; further lines are aligned with the end of it
    ///   - indent: width of `lead`
    static func paragraph(_ text: String, lead: String = "", indent: Int = 0) {
        for (index, piece) in visible(text).wrapped(indent: indent).enumerated() {
            line((index == 0 ? lead : String(repeating: " ", count: indent)) + piece)
        }
    }

    /// Replaces control characters in untrusted text, which could otherwise send escape sequences to the terminal.
    static func visible(_ text: String) -> String {
        isInteractive ? printable(text) : text
    }

    private static func printable(_ text: String) -> String {
        String(
            String.UnicodeScalarView(
                text.unicodeScalars.map { scalar in
                    let isControl = scalar.properties.generalCategory == .control && scalar != "\n" && scalar != "\t"
                    return isControl ? "\u{FFFD}" : scalar
                }))
    }

    /// Prints an error message to standard error, wrapped to the width of its terminal.
    static func printError(_ text: String) {
        let isScreen = isatty(STDERR_FILENO) == 1
        let lines = (isScreen ? printable(text) : text).wrapped(indent: 0, columns: size(of: STDERR_FILENO)?.columns)
        put(lines.map { $0 + "\n" }.joined(), to: STDERR_FILENO)
    }

    /// Prints a usage message of ArgumentParser, each line wrapped to the screen with a hanging indent.
    static func printError(usage text: String) {
        put(fitted(text, columns: size(of: STDERR_FILENO)?.columns), to: STDERR_FILENO)
    }

    static func help(_ text: String) { write(fitted(text, columns: columns)) }

    private static func fitted(_ text: String, columns: Int?) -> String {
        text.split(separator: "\n", omittingEmptySubsequences: false).flatMap { line -> [String] in
            guard let columns, line.cells > columns else { return [String(line)] }
            let indent = line.prefix { $0 == " " }.count
            // Continuation lines of a description are aligned with its first line; others are indented by a few
            // columns.
            let hang = indent > columns / 2 ? indent : indent + 2
            let pieces = String(line.dropFirst(indent)).wrapped(indent: hang, columns: columns)
            return pieces.enumerated().map { String(repeating: " ", count: $0 == 0 ? indent : hang) + $1 }
        }.joined(separator: "\n") + "\n"
    }

    /// Prints a value as one line of JSON.
    static func json(_ value: some Encodable) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        line(String(decoding: try encoder.encode(value), as: UTF8.self))
    }

    private static func put(_ text: String, to descriptor: Int32) {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let written = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if written < 0 {
                if errno == EINTR { continue }
                // Only the exit status can still report the error.
                exit(EX_IOERR)
            }
            bytes = bytes.dropFirst(written)
        }
    }
}
