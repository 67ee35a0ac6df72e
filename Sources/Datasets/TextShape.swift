import Jobs
import TextFilters

/// The form of a text, from which `samples: auto` chooses the unit of training.
///
/// | text | unit | lines |
/// |---|---|---|
/// | hard-wrapped lines, with or without blank lines between paragraphs | paragraphs | joined |
/// | dialogue with blank lines between exchanges | paragraphs | kept |
/// | verse, lists and short lines in groups between blank lines | paragraphs | kept |
/// | texts separated by lines of only `%`, as in the files of `fortune` | paragraphs | joined if hard-wrapped |
/// | one sentence, paragraph, message or turn of a dialogue per line | lines | |
struct TextShape {
    /// `lines` or `paragraphs`.
    let unit: SampleUnit
    /// The width of the text in characters if its lines were wrapped; nil if they were not.
    let width: Int?
    /// The width of the lines if they were wrapped, for the filter `unwrap`; nil if there are none.
    let likelyWidth: Int?
    /// Whether lines of only `%` separate the units, instead of blank lines.
    let hasPercentLines: Bool
    /// The form in words, such as `paragraphs of hard-wrapped lines, lines joined`.
    let description: String

    /// Lines between two blank lines.
    private struct Group {
        var lines = 0
        var bytes = 0
    }

    /// Groups of more bytes are not paragraphs.
    private static let longestGroup = 8 << 10
    /// Lines of more characters are paragraphs of their own.
    private static let longestLine = 120
    /// Lines of `%` are separators if there are at least `fewestPercentLines` of them, and at least one in
    /// `linesPerPercentLine` lines.
    private static let fewestPercentLines = 10
    private static let linesPerPercentLine = 50

    /// - Parameter parts: parts of the text that begin and end at line ends; valid UTF-8
    init(of parts: [[UInt8]]) {
        var groups: [Group] = []
        var shapes: [LineShape] = []
        var wrapped = WrappedLines()
        var percentLines = 0
        for part in parts {
            var previous: LineShape?
            for line in part.splitIntoLines() {
                let shape = LineShape(line)
                defer { previous = shape.isBlank ? nil : shape }
                guard !shape.isBlank else { continue }
                if line == [UInt8(ascii: "%")] { percentLines += 1 }
                if let previous {
                    wrapped.add(previous, before: shape)
                } else {
                    groups.append(Group())
                }
                groups[groups.count - 1].lines += 1
                groups[groups.count - 1].bytes += line.count
                shapes.append(shape)
            }
        }
        let bytes = groups.reduce(0) { $0 + $1.bytes }
        func share(_ isCounted: (Group) -> Bool) -> Double {
            bytes == 0 ? 0 : Double(groups.lazy.filter(isCounted).reduce(0) { $0 + $1.bytes }) / Double(bytes)
        }
        let hasBlankLines = groups.count > 2 && share { $0.bytes > TextShape.longestGroup } < 0.5
        // Each part begins a group.
        let extent = groups.count > parts.count ? "mostly " : ""
        let isGrouped = hasBlankLines && share { $0.lines > 1 } > 0.3
        func most(_ isCounted: (LineShape) -> Bool) -> Bool { 2 * shapes.count(where: isCounted) > shapes.count }
        width = wrapped.width
        likelyWidth = wrapped.likelyWidth
        hasPercentLines =
            percentLines >= TextShape.fewestPercentLines
            && percentLines * TextShape.linesPerPercentLine >= shapes.count
        if hasPercentLines {
            unit = .paragraphs
            description = "texts separated by lines of ‘%’, lines \(wrapped.width == nil ? "kept" : "joined")"
            return
        }
        switch (width != nil, isGrouped) {
        case (true, _):
            unit = .paragraphs
            description =
                hasBlankLines
                ? "paragraphs of hard-wrapped lines, lines joined"
                : "hard-wrapped lines \(extent)without blank lines between them, lines joined"
        case (false, true) where most(\.hasSpeaker):
            unit = .paragraphs
            description = "dialogue, exchanges separated by blank lines, lines kept"
        case (false, false) where most(\.hasSpeaker):
            unit = .lines
            description = "dialogue, one turn per line"
        case (false, true) where !most({ $0.length > TextShape.longestLine }):
            unit = .paragraphs
            description =
                most(\.startsBlock)
                ? "lists separated by blank lines, lines kept"
                : "verse or other short lines in groups separated by blank lines, lines kept"
        case (false, _):
            unit = .lines
            description =
                hasBlankLines
                ? "one paragraph per line" : "\(extent)lines without blank lines between them, one sample per line"
        }
    }
}
