/// Counts that bound the cost of decoding a JSON text, determined without recursion and without decoding it.
///
/// The text is not validated; that is left to the decoder.
public struct JSONShape: Sendable, Equatable {
    /// The maximum depth of a call. No interface nests deeper.
    public static let deepest = 64
    /// The maximum number of values in a call. No method takes more.
    public static let mostValues = 300_000

    /// How deep arrays and objects are nested.
    public private(set) var depth = 0
    /// An upper bound on the number of values.
    public private(set) var values = 1
    /// The number of members of all objects. A decoder that returns fewer has discarded members with duplicate names.
    public private(set) var members = 0

    /// Whether a call may have this shape.
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
            case UInt8(ascii: ":"): members += 1
            default: break
            }
        }
    }
}
