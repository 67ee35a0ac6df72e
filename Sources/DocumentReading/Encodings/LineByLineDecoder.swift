import UTF8Sequences

/// Decodes each line as UTF-8 if it is, or else in another encoding. Lines of more than a piece of a region are what
/// their beginning is.
final class LineByLineDecoder: Decoder {
    private let utf8 = UTF8Decoder()
    private let other: any Decoder
    /// The decoder of the current line, if its beginning was consumed.
    private var current: (any Decoder)?

    init(_ other: any Decoder) { self.other = other }

    func decode(_ input: UnsafeRawBufferPointer, isLast: Bool, to output: DecodedText) throws -> Int {
        var index = 0
        while index < input.count {
            let rest = UnsafeRawBufferPointer(rebasing: input[index...])
            let lineEnd = rest.firstIndex { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") }
            let line = UnsafeRawBufferPointer(rebasing: rest[..<(lineEnd.map { $0 + 1 } ?? rest.count)])
            let isWhole = lineEnd != nil || isLast
            // The beginning of a line is passed again with the rest of it, unless it fills the input.
            if !isWhole, index > 0 { break }
            let decoder = current ?? (Self.isUTF8(line, isWhole: isWhole) ? utf8 : other)
            let count = try decoder.decode(line, isLast: isWhole, to: output)
            current = isWhole ? nil : decoder
            index += count
            if !isWhole || count == 0 { break }
        }
        return index
    }

    private static func isUTF8(_ line: UnsafeRawBufferPointer, isWhole: Bool) -> Bool {
        line.withMemoryRebound(to: UInt8.self) { bytes in
            guard let text = bytes.baseAddress else { return true }
            let valid = UTF8Sequence.validPrefix(text, bytes.count)
            let rest = bytes.count - valid
            return rest == 0 || !isWhole && UTF8Sequence.isIncomplete(text + valid, rest)
        }
    }
}
