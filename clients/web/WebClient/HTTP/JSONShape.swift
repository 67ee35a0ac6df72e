/// What a JSON text is made of, found without recursion and before a decoder builds anything from it.
///
/// Not a validator: whether the text is JSON is for the decoder to say.
struct JSONShape: Equatable {
    /// How deep arrays and objects lie in each other.
    private(set) var depth = 0
    /// Members of all objects together. A decoder that finds fewer has dropped some of the same name.
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
