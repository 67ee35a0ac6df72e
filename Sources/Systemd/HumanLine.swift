import Glibc
import Logging

extension StandardErrorLogHandler {
    /// Width of the longest level name, so that messages are aligned.
    private static let levelWidth = Logger.Level.allCases.map(\.rawValue.count).max()!

    static func line(_ event: LogEvent) -> String {
        line(seconds: time(nil), level: event.level, text: event.text)
    }

    /// - Parameter seconds: since 1970, formatted in the local time zone
    package static func line(seconds: time_t, level: Logger.Level, text: String) -> String {
        var seconds = seconds
        var parts = tm()
        localtime_r(&seconds, &parts)
        let clock = [parts.tm_hour, parts.tm_min, parts.tm_sec].map { $0 < 10 ? "0\($0)" : "\($0)" }.joined(
            separator: ":")
        let name = level.rawValue + String(repeating: " ", count: levelWidth - level.rawValue.count)
        return "\(clock) \(name) \(printable(text))\n"
    }

    /// Escapes control characters. A message may quote a file name or a client's input, which must neither move the terminal's cursor
    /// nor start a line that looks like another message.
    private static func printable(_ text: String) -> String {
        var shown = ""
        for scalar in text.unicodeScalars {
            if scalar.properties.generalCategory == .control {
                shown += scalar == "\t" ? "\t" : "\\u{\(String(scalar.value, radix: 16))}"
            } else {
                shown.unicodeScalars.append(scalar)
            }
        }
        return shown
    }

    /// Uses a single `write`, so that lines of several threads are not interleaved.
    static func write(_ line: String) {
        let bytes = Array(line.utf8)
        _ = Glibc.write(STDERR_FILENO, bytes, bytes.count)
    }
}
