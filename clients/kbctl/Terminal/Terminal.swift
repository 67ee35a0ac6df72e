import FoundationEssentials
import Glibc

/// Standard output and error, and what is known of the screen behind them.
enum Terminal {
    /// Whether people read standard output as it comes.
    static let isInteractive = isatty(STDOUT_FILENO) == 1

    /// Columns of the screen; nil where standard output is none.
    static var columns: Int? { size?.columns }

    /// Of the screen; nil where standard output is none.
    static var size: (columns: Int, rows: Int)? {
        guard isInteractive else { return nil }
        var size = winsize()
        guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else {
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

    /// Text that a model made or somebody wrote: control characters must not reach the screen.
    static func visible(_ text: String) -> String {
        guard isInteractive else { return text }
        return String(
            String.UnicodeScalarView(
                text.unicodeScalars.map { scalar in
                    let isControl = scalar.properties.generalCategory == .control && scalar != "\n" && scalar != "\t"
                    return isControl ? "\u{FFFD}" : scalar
                }))
    }

    static func complain(_ text: String) {
        put(text + "\n", to: STDERR_FILENO)
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
