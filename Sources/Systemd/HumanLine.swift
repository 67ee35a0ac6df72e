import Glibc
import Logging

extension StandardErrorLogHandler {
    /// Wide enough for the longest, so that messages stand under each other.
    private static let levelWidth = Logger.Level.allCases.map(\.rawValue.count).max()!

    static func line(_ event: LogEvent) -> String {
        line(seconds: time(nil), level: event.level, text: event.text)
    }

    /// - Parameter seconds: since 1970, shown in the local time zone
    package static func line(seconds: time_t, level: Logger.Level, text: String) -> String {
        var seconds = seconds
        var parts = tm()
        localtime_r(&seconds, &parts)
        let clock = [parts.tm_hour, parts.tm_min, parts.tm_sec].map { $0 < 10 ? "0\($0)" : "\($0)" }.joined(
            separator: ":")
        let name = level.rawValue + String(repeating: " ", count: levelWidth - level.rawValue.count)
        return "\(clock) \(name) \(printable(text))\n"
    }

    /// A message may quote a file's name or a client's words: nothing in it may move the terminal's cursor or begin a
    /// line that looks like another's.
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

    /// One `write`, so that lines of several threads do not run into each other.
    static func write(_ line: String) {
        let bytes = Array(line.utf8)
        _ = Glibc.write(STDERR_FILENO, bytes, bytes.count)
    }
}
