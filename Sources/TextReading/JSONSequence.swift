/// JSON text sequences (RFC 7464): like JSON lines, with a control character before each text.
package enum JSONSequence {
    static let separator: UInt8 = 0x1E

    /// Whether a file with these first bytes is a sequence of objects.
    package static func isBeginning(_ head: [UInt8]) -> Bool {
        head.first == separator && head.first { !isSpace($0) && $0 != separator } == UInt8(ascii: "{")
    }

    /// Whether a byte is white space between the tokens of JSON.
    static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D }
}
