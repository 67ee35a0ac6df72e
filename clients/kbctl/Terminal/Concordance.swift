import Durable
import Interface

/// Passages of the corpora with the words that were found in one column. If output is not a terminal, each line has the place,
/// the text before, the words and the text after, separated by tabs.
struct Concordance {
    private let passages: [InferenceInterface.Passage]

    /// Columns of the names of corpora at most.
    private static let widestPlace = 28
    /// Columns of the text before the words at least, if there is room for them.
    private static let leastBefore = 8

    init(_ passages: [InferenceInterface.Passage]) { self.passages = passages }

    func print(indent: Int = 0) {
        let places = passages.map { "\(Self.singleLine($0.name)):\($0.line)" }
        guard let columns = Terminal.columns else {
            for (place, passage) in zip(places, passages) {
                Terminal.line(
                    [place, passage.before, passage.matched, passage.after].map(Self.singleLine).joined(separator: "\t")
                )
            }
            return
        }
        let room = max(1, columns - indent)
        let width = min(places.reduce(0) { max($0, $1.cells) }, Self.widestPlace, room / 3)
        for (place, passage) in zip(places, passages) {
            let text = Self.aligned(passage, columns: room - width - 2)
            Terminal.line(
                String(repeating: " ", count: indent) + Style.dim(place.cutInFront(to: width).padded(to: width)) + "  "
                    + text.before + Style.bold(text.matched) + text.after)
        }
    }

    /// Cuts the parts of a passage to the width of the screen, with the words in the middle.
    private static func aligned(
        _ passage: InferenceInterface.Passage, columns: Int
    ) -> (before: String, matched: String, after: String) {
        let columns = max(1, columns)
        let left = max(min(leastBefore, columns / 4), columns / 2 - 10)
        let before = singleLine(passage.before).cutInFront(to: left)
        let matched = singleLine(passage.matched).cut(to: columns - left)
        let after = singleLine(passage.after).cut(to: columns - left - matched.cells)
        return (before.padded(to: left, .right), matched, after)
    }

    /// Text of a corpus on one line. On a terminal, control characters and direction marks are escaped.
    static func singleLine(_ text: String) -> String {
        let line = String(String.UnicodeScalarView(text.unicodeScalars.map { isSpace($0) ? " " : $0 }))
        return Terminal.isInteractive ? RawPath.printable(line) : line
    }

    private static func isSpace(_ scalar: Unicode.Scalar) -> Bool {
        scalar == "\t" || scalar == "\n" || scalar == "\r" || scalar == "\u{B}" || scalar == "\u{C}"
            || scalar == "\u{85}"
    }
}
