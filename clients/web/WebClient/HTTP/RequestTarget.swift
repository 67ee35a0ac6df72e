/// The target of a request, as in `/v1/models/my%20model?limit=3`.
enum RequestTarget {
    /// Decodes percent-encoded letters, digits and `-._~` of the path, which mean the same as themselves (RFC 3986,
    /// section 2.3), so that a path has one spelling when it is routed. The query stays as it is.
    static func normalized(_ target: String) -> String {
        let path = target.prefix { $0 != "?" }
        guard path.contains("%") else { return target }
        var bytes: [UInt8] = []
        var rest = path.utf8
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%"), let decoded = PercentEncoding.byte(rest.prefix(2)), isUnreserved(decoded)
            else {
                bytes.append(byte)
                continue
            }
            rest = rest.dropFirst(2)
            bytes.append(decoded)
        }
        return String(decoding: bytes, as: UTF8.self) + target[path.endIndex...]
    }

    private static func isUnreserved(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
            UInt8(ascii: "~"):
            true
        default: false
        }
    }
}

/// Percent-encoding as defined by RFC 3986, section 2.1.
enum PercentEncoding {
    /// Returns nil if an escape is incomplete, or the bytes are not UTF-8.
    static func decoded(_ text: Substring) -> String? {
        var bytes: [UInt8] = []
        var rest = text.utf8
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let decoded = Self.byte(rest.prefix(2)) else { return nil }
            rest = rest.dropFirst(2)
            bytes.append(decoded)
        }
        return String(validating: bytes, as: UTF8.self)
    }

    /// Returns the byte that two hexadecimal digits encode; nil if they are not two digits.
    static func byte(_ digits: Substring.UTF8View) -> UInt8? {
        let values = digits.compactMap { Character(Unicode.Scalar($0)).hexDigitValue.map(UInt8.init) }
        return digits.count == 2 && values.count == 2 ? values[0] << 4 | values[1] : nil
    }
}
