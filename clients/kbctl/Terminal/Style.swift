import FoundationEssentials

/// Terminal text styles. Without color support, text is returned unchanged.
enum Style: String {
    case bold = "1"
    case dim = "2"
    case red = "31"
    case green = "32"
    case yellow = "33"
    case blue = "34"
    case magenta = "35"
    case cyan = "36"

    /// False with `--no-color`, NO_COLOR (no-color.org), or a terminal without colors.
    static let isOn: Bool = {
        let environment = ProcessInfo.processInfo.environment
        return Terminal.isInteractive && environment["NO_COLOR", default: ""].isEmpty
            && !["", "dumb"].contains(environment["TERM", default: ""]) && !CommandLine.arguments.contains("--no-color")
    }()

    func callAsFunction(_ text: String) -> String {
        Self.isOn ? "\u{1B}[\(rawValue)m\(text)\u{1B}[0m" : text
    }
}
