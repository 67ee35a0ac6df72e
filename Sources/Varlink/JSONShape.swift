/// How deep a JSON text is nested and how many values it holds, at most: counted without reading it, so that texts can be
/// refused that are dear to read.
public struct JSONShape: Sendable, Equatable {
    /// No interface nests deeper.
    public static let deepest = 64
    /// More than any method takes.
    public static let mostValues = 300_000

    public private(set) var depth = 0
    public private(set) var values = 1

    /// Whether a call may have it.
    public var isReadable: Bool { depth <= Self.deepest && values <= Self.mostValues }

    public init(_ text: [UInt8]) {
        var open = 0
        var isInString = false
        var isEscaped = false
        for byte in text {
            if isInString {
                if isEscaped {
                    isEscaped = false
                } else if byte == UInt8(ascii: "\\") {
                    isEscaped = true
                } else if byte == UInt8(ascii: "\"") {
                    isInString = false
                }
                continue
            }
            switch byte {
            case UInt8(ascii: "\""): isInString = true
            case UInt8(ascii: "["), UInt8(ascii: "{"):
                open += 1
                depth = max(depth, open)
                values += 1
            case UInt8(ascii: "]"), UInt8(ascii: "}"): open -= 1
            case UInt8(ascii: ","): values += 1
            default: break
            }
        }
    }
}
