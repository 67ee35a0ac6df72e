extension UInt8 {
    var isASCIILetter: Bool { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(self | 0x20) }
    var isASCIIUpperCase: Bool { self >= UInt8(ascii: "A") && self <= UInt8(ascii: "Z") }
    var isASCIIDigit: Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(self) }

    /// The lower-case letter for an upper-case letter of ASCII; any other byte unchanged.
    @inline(__always)
    var asciiLowerCase: UInt8 { isASCIIUpperCase ? self | 0x20 : self }
}

extension Unicode.Scalar {
    /// Calls `body` with the character in UTF-8.
    func withUTF8(_ body: (UnsafeBufferPointer<UInt8>) -> Void) {
        UTF8.encode(self).map(Array.init)?.withUnsafeBufferPointer(body)
    }
}
