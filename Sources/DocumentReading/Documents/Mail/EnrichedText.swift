import TextReading

/// The text of `text/enriched` (RFC 1896) and of `text/richtext` (RFC 1341), its predecessor, without formatting commands.
struct EnrichedText {
    private(set) var text: [UInt8] = []
    private let isRichtext: Bool
    /// Number of commands around the current place that keep line breaks.
    private var unfilled = 0
    private var lineBreaks = 0
    /// Whether no command whose contents are not text ends any more, so that its end is not looked for again and again.
    private var isUnclosed = false

    private static let longestCommand = 60

    init(_ bytes: [UInt8], isRichtext: Bool) {
        self.isRichtext = isRichtext
        text.reserveCapacity(bytes.count)
        var rest = bytes[...]
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "\r") where rest.first == UInt8(ascii: "\n"): break
            case UInt8(ascii: "\n"): lineBreaks += 1
            case UInt8(ascii: "<"): appendCommand(&rest)
            default: append(byte)
            }
        }
        endLines(isLast: true)
    }

    private mutating func append(_ byte: UInt8) {
        endLines(isLast: false)
        text.append(byte)
    }

    /// Writes the line breaks that were read: one of several fewer, and one alone as a space.
    private mutating func endLines(isLast: Bool) {
        guard lineBreaks > 0 else { return }
        if unfilled > 0 {
            text.append(contentsOf: repeatElement(UInt8(ascii: "\n"), count: lineBreaks))
        } else if lineBreaks == 1 || isRichtext {
            if !isLast, text.last != UInt8(ascii: "\n") { text.append(UInt8(ascii: " ")) }
        } else {
            text.append(contentsOf: repeatElement(UInt8(ascii: "\n"), count: lineBreaks - 1))
        }
        lineBreaks = 0
    }

    /// - Parameter rest: what follows `<`
    private mutating func appendCommand(_ rest: inout ArraySlice<UInt8>) {
        if !isRichtext, rest.first == UInt8(ascii: "<") {
            rest = rest.dropFirst()
            return append(UInt8(ascii: "<"))
        }
        guard let end = rest.prefix(Self.longestCommand + 2).firstIndex(of: UInt8(ascii: ">")),
            case let name = rest[..<end], Self.isCommand(name)
        else { return append(UInt8(ascii: "<")) }
        rest = rest[(end + 1)...]
        let command = String(decoding: name, as: UTF8.self).lowercased()
        switch command {
        case "nofill": change(unfilled: 1)
        case "/nofill": change(unfilled: -1)
        case "lt" where isRichtext: append(UInt8(ascii: "<"))
        case "nl" where isRichtext, "np" where isRichtext, "paragraph" where isRichtext, "/paragraph" where isRichtext:
            endLines(isLast: true)
            text.append(UInt8(ascii: "\n"))
        case isRichtext ? "comment" : "param": skipContents(of: command, &rest)
        default: break
        }
    }

    private mutating func change(unfilled difference: Int) {
        endLines(isLast: false)
        unfilled = max(0, unfilled + difference)
    }

    /// Skips what is before the end of a command. Without its end, nothing is skipped.
    private mutating func skipContents(of command: String, _ rest: inout ArraySlice<UInt8>) {
        guard !isUnclosed else { return }
        let end = Array("</\(command)>".utf8)
        var place = rest
        while let next = place.firstIndex(of: UInt8(ascii: "<")) {
            place = place[next...]
            if place.prefix(end.count).map(\.asciiLowerCase) == end {
                rest = place.dropFirst(end.count)
                return
            }
            place = place.dropFirst()
        }
        isUnclosed = true
    }

    private static func isCommand(_ name: ArraySlice<UInt8>) -> Bool {
        let word = name.first == UInt8(ascii: "/") ? name.dropFirst() : name
        return !word.isEmpty
            && word.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"):
                    true
                default: false
                }
            }
    }
}
