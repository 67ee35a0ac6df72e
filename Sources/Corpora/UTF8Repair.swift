/// Converts arbitrary bytes to valid UTF-8 in the same way as Python's `bytes.decode("utf-8", errors="replace")`: each
/// maximal subpart of an ill-formed sequence, and each byte that cannot start a sequence, is replaced by one U+FFFD
/// (Unicode 16, section 3.9, "U+FFFD Substitution of Maximal Subparts").
///
/// The input may be split into pieces at any byte.
package struct UTF8Repair {
    /// Number of bytes that were replaced.
    package private(set) var replacedBytes = 0

    /// The incomplete sequence: its bytes so far, the number of missing bytes, and the valid range of the next byte.
    private var begun: [UInt8] = []
    private var missing = 0
    private var next: ClosedRange<UInt8> = 0x80...0xBF

    private static let replacement: [UInt8] = [0xEF, 0xBF, 0xBD]

    package init() {}

    /// Appends all output that is already determined to `output`.
    package mutating func append(_ bytes: UnsafeRawBufferPointer, to output: inout [UInt8]) {
        var index = 0
        while index < bytes.count {
            if missing == 0 {
                let start = index
                while index < bytes.count, bytes[index] < 0x80 { index += 1 }
                output.append(contentsOf: bytes[start..<index])
                if index == bytes.count { return }
                begin(bytes[index], &output)
                index += 1
            } else if next.contains(bytes[index]) {
                begun.append(bytes[index])
                next = 0x80...0xBF
                missing -= 1
                if missing == 0 {
                    output.append(contentsOf: begun)
                    begun.removeAll(keepingCapacity: true)
                }
                index += 1
            } else {
                breakOff(&output)
            }
        }
    }

    /// Ends the input. An incomplete sequence is replaced.
    package mutating func finish(to output: inout [UInt8]) {
        if missing > 0 { breakOff(&output) }
    }

    /// Starts a sequence according to Unicode table 3-7, "Well-Formed UTF-8 Byte Sequences".
    private mutating func begin(_ byte: UInt8, _ output: inout [UInt8]) {
        next = 0x80...0xBF
        switch byte {
        case 0xC2...0xDF: missing = 1
        case 0xE0: (missing, next) = (2, 0xA0...0xBF)
        case 0xED: (missing, next) = (2, 0x80...0x9F)
        case 0xE1...0xEF: missing = 2
        case 0xF0: (missing, next) = (3, 0x90...0xBF)
        case 0xF1...0xF3: missing = 3
        case 0xF4: (missing, next) = (3, 0x80...0x8F)
        default:
            output.append(contentsOf: UTF8Repair.replacement)
            replacedBytes += 1
            return
        }
        begun.append(byte)
    }

    private mutating func breakOff(_ output: inout [UInt8]) {
        output.append(contentsOf: UTF8Repair.replacement)
        replacedBytes += begun.count
        begun.removeAll(keepingCapacity: true)
        missing = 0
    }
}
