import Foundation

/// A page in the macros of man(7), which man-db, groff and mandoc know.
struct Roff {
    private(set) var text: String
    private var isAfterHeading = false

    init(_ title: String, section: Int, version: String, manual: String) {
        text = ".\\\" Made from what the programs say of themselves; changes here are lost.\n"
        // A date's hyphens are not escaped: mandoc would not know it for one.
        text += ".TH \"\(Self.escaped(title))\" \(section) \(Self.today) "
        text += "\"\(Self.escaped(version))\" \"\(Self.escaped(manual))\"\n"
    }

    /// The day it is made, or where a build is to be repeated to the byte the one that SOURCE_DATE_EPOCH says.
    private static var today: String {
        let epoch = ProcessInfo.processInfo.environment["SOURCE_DATE_EPOCH"].flatMap(TimeInterval.init)
        return (epoch.map(Date.init(timeIntervalSince1970:)) ?? Date())
            .formatted(.iso8601.year().month().day())
    }

    mutating func section(_ name: String) { heading("SH", name) }
    mutating func subsection(_ name: String) { heading("SS", name) }

    private mutating func heading(_ macro: String, _ name: String) {
        request(macro, name)
        isAfterHeading = true
    }

    /// Paragraphs of plain text, blank lines between; a line that begins with spaces stays a line of its own.
    mutating func paragraphs(_ plain: String) {
        for paragraph in plain.split(separator: "\n\n") {
            // A section's first one is begun by its heading.
            if !isAfterHeading { text += ".PP\n" }
            isAfterHeading = false
            let lines = paragraph.split(separator: "\n")
            for (index, line) in lines.enumerated() {
                text += Self.escaped(String(line)) + "\n"
                if index < lines.count - 1 { text += ".br\n" }
            }
        }
    }

    /// - Parameter term: marked up already
    mutating func item(_ term: String, _ plain: String) {
        text += ".TP\n\(term)\n\(Self.escaped(plain))\n"
        isAfterHeading = false
    }

    mutating func line(_ marked: String) {
        text += marked + "\n"
        isAfterHeading = false
    }

    private mutating func request(_ name: String, _ arguments: String...) {
        text += ".\(name) " + arguments.map { "\"\(Self.escaped($0))\"" }.joined(separator: " ") + "\n"
    }

    static func bold(_ plain: String) -> String { "\\fB\(escaped(plain))\\fR" }
    static func italic(_ plain: String) -> String { "\\fI\(escaped(plain))\\fR" }

    /// No character of plain text may be taken for markup: backslashes, and dots or apostrophes at a line's beginning; a
    /// hyphen is one to be copied.
    static func escaped(_ plain: String) -> String {
        var result = ""
        for character in plain {
            switch character {
            case "\\": result += "\\e"
            case "-": result += "\\-"
            case "\"": result += "\\(dq"
            case "’", "‘": result += character == "’" ? "\\(cq" : "\\(oq"
            case "–": result += "\\(en"
            case "…": result += "..."
            case "→": result += "\\(->"
            case "✓": result += "ok"
            case "−": result += "\\(mi"
            case "⋮": result += ":"
            default: result.append(character)
            }
        }
        return result.first == "." || result.first == "'" ? "\\&\(result)" : result
    }
}
