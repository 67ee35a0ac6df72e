import UTF8Sequences

/// Converts arbitrary bytes to valid UTF-8 in the same way as Python's `bytes.decode("utf-8", errors="replace")`: each
/// maximal subpart of an ill-formed sequence is replaced by one U+FFFD (`UTF8Sequence.maximalPart`).
///
/// The input may be split into pieces at any byte.
package struct UTF8Repair {
    /// The number of bytes that were replaced.
    package private(set) var replacedBytes = 0

    /// The incomplete sequence at the end of the previous piece.
    private var begun: [UInt8] = []

    package init() {}

    /// Appends all output that is already determined to `output`.
    package mutating func append(_ bytes: UnsafeRawBufferPointer, to output: inout [UInt8]) {
        bytes.withMemoryRebound(to: UInt8.self) { bytes in
            guard let text = bytes.baseAddress else { return }
            var index = continueBegun(bytes, &output)
            while index < bytes.count {
                let valid = UTF8Sequence.validPrefix(text + index, bytes.count - index)
                output.append(contentsOf: UnsafeBufferPointer(rebasing: bytes[index..<index + valid]))
                index += valid
                guard index < bytes.count else { return }
                let rest = bytes.count - index
                let part = UTF8Sequence.maximalPart(text + index, rest)
                if part == rest, let form = UTF8Sequence.form(text[index]), part < form.length {
                    begun = Array(bytes[index...])
                    return
                }
                replace(part, &output)
                index += part
            }
        }
    }

    /// Ends the input. An incomplete sequence is replaced.
    package mutating func finish(to output: inout [UInt8]) {
        guard !begun.isEmpty else { return }
        replace(begun.count, &output)
        begun = []
    }

    /// Completes or replaces the sequence that the previous piece began.
    /// - Returns: how many bytes of this piece belong to it
    private mutating func continueBegun(_ bytes: UnsafeBufferPointer<UInt8>, _ output: inout [UInt8]) -> Int {
        guard let first = begun.first, let form = UTF8Sequence.form(first) else { return 0 }
        for (index, byte) in bytes.enumerated() {
            guard begun.count == 1 ? form.second.contains(byte) : byte & 0xC0 == 0x80 else {
                replace(begun.count, &output)
                begun = []
                return index
            }
            begun.append(byte)
            if begun.count == form.length {
                output.append(contentsOf: begun)
                begun = []
                return index + 1
            }
        }
        return bytes.count
    }

    private mutating func replace(_ count: Int, _ output: inout [UInt8]) {
        output.append(contentsOf: UTF8Sequence.replacement)
        replacedBytes += count
    }
}
