import FoundationEssentials
import Glibc

/// Standard output and error, and what is known of the screen behind them.
enum Terminal {
    /// Whether people read standard output as it comes.
    static let isInteractive = isatty(STDOUT_FILENO) == 1

    /// Columns of the screen; nil where standard output is none.
    static var columns: Int? { size?.columns }

    /// Of the screen; nil where standard output is none.
    static var size: (columns: Int, rows: Int)? { size(of: STDOUT_FILENO) }

    private static func size(of descriptor: Int32) -> (columns: Int, rows: Int)? {
        guard isatty(descriptor) == 1 else { return nil }
        var size = winsize()
        guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else {
            return (80, 24)
        }
        return (Int(size.ws_col), Int(size.ws_row))
    }

    /// Writes at once, without a buffer between: what a model says is to be seen as it comes.
    static func write(_ text: String) {
        put(text, to: STDOUT_FILENO)
    }

    static func line(_ text: String) {
        write(text + "\n")
    }

    /// In as many lines as it takes.
    ///
    /// - Parameters:
    ///   - lead: what stands before it; the other lines begin under its end
    ///   - indent: how wide `lead` is
    static func paragraph(_ text: String, lead: String = "", indent: Int = 0) {
        for (index, piece) in visible(text).wrapped(indent: indent).enumerated() {
            line((index == 0 ? lead : String(repeating: " ", count: indent)) + piece)
        }
    }

    /// Text that a model made or somebody wrote: control characters must not reach the screen.
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

    /// A message for people on standard error, as wide as the screen behind that.
    static func complain(_ text: String) {
        let isScreen = isatty(STDERR_FILENO) == 1
        let lines = (isScreen ? printable(text) : text).wrapped(indent: 0, columns: size(of: STDERR_FILENO)?.columns)
        put(lines.map { $0 + "\n" }.joined(), to: STDERR_FILENO)
    }

    /// What ArgumentParser says: each line as wide as the screen, what goes on below it set in a little more.
    static func complain(usage text: String) {
        put(fitted(text, columns: size(of: STDERR_FILENO)?.columns), to: STDERR_FILENO)
    }

    static func help(_ text: String) { write(fitted(text, columns: columns)) }

    private static func fitted(_ text: String, columns: Int?) -> String {
        text.split(separator: "\n", omittingEmptySubsequences: false).flatMap { line -> [String] in
            guard let columns, line.cells > columns else { return [String(line)] }
            let indent = line.prefix { $0 == " " }.count
            // The rest of a description stands under its beginning, the rest of anything else a little further right.
            let hang = indent > columns / 2 ? indent : indent + 2
            let pieces = String(line.dropFirst(indent)).wrapped(indent: hang, columns: columns)
            return pieces.enumerated().map { String(repeating: " ", count: $0 == 0 ? indent : hang) + $1 }
        }.joined(separator: "\n") + "\n"
    }

    /// One JSON object on a line.
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
                // Nobody is left to tell; the status says it.
                exit(EX_IOERR)
            }
            bytes = bytes.dropFirst(written)
        }
    }
}
