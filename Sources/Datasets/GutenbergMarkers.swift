/// The lines that separate the text of an e-book of Project Gutenberg from the license around it:
/// `*** START OF THE PROJECT GUTENBERG EBOOK FRANKENSTEIN ***` and the same with `END`.
enum GutenbergMarkers {
    /// At most this part of a file before the text and this part after it is removed.
    private static let largestShare = 0.2
    /// Number of lines that a marker with a long title may have.
    private static let mostLines = 3

    /// Returns the range of the text in a file: between the first marker of the beginning and the last one of the end.
    ///
    /// A side whose marker is more than 20 % of the file away from that end is not cut.
    /// - Parameter progress: called periodically
    /// - Returns: nil unless both markers exist
    static func textRange(in path: String, _ progress: () -> Void) throws(DatasetError) -> Range<Int>? {
        var count = 0
        var lines = try TextLines(path: path)
        var start: Int?
        var end: Int?
        /// An incomplete marker: its kind, where it begins, and its number of lines.
        var open: (isStart: Bool, offset: Int, lines: Int)?
        var offset = 0
        var isInsideLine = false
        while let line = try lines.next() {
            count += 1
            if count % 1024 == 0 { progress() }
            let text = line.bytes.trimmed
            if !isInsideLine, let isStart = isStart(of: text) {
                open = (isStart, offset, 0)
            } else if text.isEmpty {
                open = nil
            }
            if var marker = open {
                marker.lines += 1
                open = marker.lines < mostLines && !line.isContinued ? marker : nil
                if text.suffix(3).elementsEqual("***".utf8), text.count > 3 {
                    open = nil
                    if marker.isStart {
                        start = start ?? lines.offset
                    } else {
                        end = marker.offset
                    }
                }
            }
            isInsideLine = line.isContinued
            offset = lines.offset
        }
        guard let start, let end, start <= end else { return nil }
        let most = Int(Double(offset) * largestShare)
        return (start <= most ? start : 0)..<(offset - end <= most ? end : offset)
    }

    /// Returns whether the marker that begins on a line is that of the beginning; nil if no marker begins there.
    private static func isStart(of line: ArraySlice<UInt8>) -> Bool? {
        guard line.starts(with: "***".utf8) else { return nil }
        let rest = line.dropFirst(3).drop { $0 == 0x20 }
        for (word, isStart) in [("START", true), ("END", false)] {
            for article in ["THE", "THIS"]
            where rest.starts(with: "\(word) OF \(article) PROJECT GUTENBERG EBOOK".utf8) {
                return isStart
            }
        }
        return nil
    }
}

extension [UInt8] {
    fileprivate var trimmed: ArraySlice<UInt8> {
        guard let last = lastIndex(where: { $0 > 0x20 }) else { return [] }
        return self[...last].drop { $0 <= 0x20 }
    }
}
