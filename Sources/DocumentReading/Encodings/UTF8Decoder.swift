import UTF8Sequences

/// Passes valid UTF-8 on and replaces each maximal part of an ill-formed sequence.
final class UTF8Decoder: Decoder {
    func decode(_ input: UnsafeRawBufferPointer, isLast: Bool, to output: DecodedText) throws -> Int {
        try input.withMemoryRebound(to: UInt8.self) { bytes in
            guard let text = bytes.baseAddress else { return 0 }
            var index = 0
            while index < bytes.count {
                let valid = UTF8Sequence.validPrefix(text + index, bytes.count - index)
                try output.append(UnsafeRawBufferPointer(rebasing: input[index..<index + valid]))
                index += valid
                let rest = bytes.count - index
                guard rest > 0 else { break }
                if !isLast, index > 0, UTF8Sequence.isIncomplete(text + index, rest) { break }
                let part = UTF8Sequence.maximalPart(text + index, rest)
                try output.replace(part)
                index += part
            }
            return index
        }
    }
}
