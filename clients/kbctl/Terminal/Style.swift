import FoundationEssentials

/// How text is set off on a screen that has colours; elsewhere it stays as it is.
enum Style: String {
    case bold = "1"
    case dim = "2"
    case red = "31"
    case green = "32"
    case yellow = "33"
    case blue = "34"
    case magenta = "35"
    case cyan = "36"

    /// `--no-color`, NO_COLOR (no-color.org) and a terminal that has none are obeyed.
    static let isOn: Bool = {
        let environment = ProcessInfo.processInfo.environment
        return Terminal.isInteractive && environment["NO_COLOR", default: ""].isEmpty
            && !["", "dumb"].contains(environment["TERM", default: ""]) && !CommandLine.arguments.contains("--no-color")
    }()

    func callAsFunction(_ text: String) -> String {
        Self.isOn ? "\u{1B}[\(rawValue)m\(text)\u{1B}[0m" : text
    }
}
