/// Collects indented lines of Swift and wraps lists at the column limit.
final class SwiftWriter {
    private static let columnLimit = 120

    private(set) var text = ""
    private var depth = 0
    private var isBlankLineDue = false
    private var isBlockStart = true

    private var indentation: String { String(repeating: "    ", count: depth) }

    func line(_ line: String) {
        if isBlankLineDue && !isBlockStart { text += "\n" }
        isBlankLineDue = false
        isBlockStart = false
        text += line.isEmpty ? "\n" : "\(indentation)\(line)\n"
    }

    /// Separates the next line from those above, unless it is the first of its block.
    func blankLine() { isBlankLineDue = true }

    /// Writes `header {`, the body and `}`.
    func block(_ header: String, _ body: () -> Void) {
        line("\(header) {")
        indented(body)
        line("}")
    }

    /// Writes a block whose header ends with a list: `init(…) {`.
    func block(_ start: String, list: [String], _ end: String, _ body: () -> Void) {
        wrapped(start, list, "\(end) {")
        indented(body)
        line("}")
    }

    private func indented(_ body: () -> Void) {
        depth += 1
        (isBlockStart, isBlankLineDue) = (true, false)
        body()
        depth -= 1
        (isBlockStart, isBlankLineDue) = (false, false)
    }

    /// Writes `start`, the elements separated by commas, and `end` on one line, or the elements on lines of their own
    /// if there is no room.
    func wrapped(_ start: String, _ list: [String], _ end: String) {
        let single = start + list.joined(separator: ", ") + end
        guard indentation.count + single.count > Self.columnLimit else { return line(single) }
        line(start)
        depth += 1
        // The style of swift-format: a trailing comma in array literals.
        let last = start.hasSuffix("[") ? "," : ""
        var row = ""
        for (index, element) in list.enumerated() {
            let next = element + (index < list.count - 1 ? "," : last)
            if !row.isEmpty && indentation.count + row.count + 1 + next.count > Self.columnLimit {
                line(row)
                row = ""
            }
            row += row.isEmpty ? next : " \(next)"
        }
        line(row)
        depth -= 1
        line(end)
    }

    /// Writes a documentation comment.
    func documentation(_ lines: [String]) {
        for text in lines { line(text.isEmpty ? "///" : "/// \(text)") }
    }

    /// Writes a declaration of a constant with the value `text`.
    func constant(_ declaration: String, text value: String) {
        // A multi-line literal would normalize line ends and cannot hold control characters.
        let isPlain = value.unicodeScalars.allSatisfy { $0 == "\n" || $0 == "\t" || !$0.isControl }
        guard isPlain else { return line("\(declaration) = \(Self.escapedLiteral(value))") }
        let delimiter = Self.delimiter(for: value)
        line("\(declaration) = \(delimiter)\"\"\"")
        depth += 1
        for row in value.split(separator: "\n", omittingEmptySubsequences: false) { line(String(row)) }
        line("\"\"\"\(delimiter)")
        depth -= 1
    }

    /// Returns the number signs that keep quotation marks and backslashes in `text` literal.
    private static func delimiter(for text: String) -> String {
        var longest = 0
        var run: Int?
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): run = 0
            case UInt8(ascii: "#") where run != nil: run = run! + 1
            default: run = nil
            }
            if let run { longest = max(longest, run + 1) }
        }
        return String(repeating: "#", count: longest)
    }

    private static func escapedLiteral(_ text: String) -> String {
        var literal = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": literal += "\\\(scalar)"
            case _ where scalar.isControl:
                literal += "\\u{\(String(scalar.value, radix: 16))}"
            default: literal.unicodeScalars.append(scalar)
            }
        }
        return literal + "\""
    }
}

extension Unicode.Scalar {
    fileprivate var isControl: Bool { value < 0x20 || value == 0x7F || self == "\u{2028}" || self == "\u{2029}" }
}
