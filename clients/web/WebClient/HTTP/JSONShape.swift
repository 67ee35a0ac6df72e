/// Measures the structure of a JSON text without recursion, before a decoder allocates anything.
///
/// Not a validator: the decoder decides whether the text is JSON.
struct JSONShape: Equatable {
    /// Nesting depth of arrays and objects.
    private(set) var depth = 0
    /// Total number of object members. A decoder that returns fewer dropped duplicate keys.
    private(set) var members = 0

    init(_ text: some Sequence<UInt8>) {
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
            case UInt8(ascii: "]"), UInt8(ascii: "}"): open -= 1
            case UInt8(ascii: ":"): members += 1
            default: break
            }
        }
    }
}
