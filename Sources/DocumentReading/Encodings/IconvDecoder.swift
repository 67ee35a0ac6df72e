import Glibc
import TextReading

/// Decodes any encoding that glibc knows, strictly.
final class IconvDecoder: Decoder {
    private let converter: iconv_t
    /// Number of bytes that are skipped where nothing can be decoded.
    private let unit: Int

    /// - Parameters:
    ///   - name: a name for `iconv_open`
    ///   - unitBytes: length of the encoding's units
    /// - Returns: nil if the encoding is unknown
    init?(_ name: String, unitBytes: Int = 1) {
        guard let converter = iconv_open("UTF-8", name), converter != iconv_t(bitPattern: -1) else { return nil }
        self.converter = converter
        unit = unitBytes
    }

    convenience init?(_ encoding: EncodingName) { self.init(encoding.converter, unitBytes: encoding.unitBytes) }

    deinit { iconv_close(converter) }

    func decode(_ input: UnsafeRawBufferPointer, isLast: Bool, to output: DecodedText) throws -> Int {
        guard let first = input.baseAddress else { return 0 }
        var rest: UnsafeMutablePointer<CChar>? = UnsafeMutableRawPointer(mutating: first).assumingMemoryBound(
            to: CChar.self)
        var left = input.count
        while left > 0 {
            var (result, cause): (Int, Int32) = (0, 0)
            try output.withFreeSpace { space in
                var free = space.count
                var end: UnsafeMutablePointer<CChar>? = space.baseAddress?.assumingMemoryBound(to: CChar.self)
                result = iconv(converter, &rest, &left, &end, &free)
                cause = errno
                return space.count - free
            }
            if result != -1 { break }
            switch cause {
            case E2BIG: continue
            case EINVAL where !isLast && left < input.count: return input.count - left
            default:
                let count = cause == EINVAL ? left : min(unit, left)
                try output.replace(count)
                rest = rest.map { $0 + count }
                left -= count
            }
        }
        if isLast { try finish(output) }
        return input.count - left
    }

    /// Decodes all of a short input.
    /// - Returns: the text and how many bytes were consumed, or nil if the input is undecodable or incomplete
    func decode(whole input: [UInt8]) -> [UInt8]? {
        var input = input
        var output = [UInt8](repeating: 0, count: 4 * input.count + 16)
        let produced: Int? = input.withUnsafeMutableBytes { input in
            output.withUnsafeMutableBytes { output in
                var rest: UnsafeMutablePointer<CChar>? = input.baseAddress?.assumingMemoryBound(to: CChar.self)
                var end: UnsafeMutablePointer<CChar>? = output.baseAddress?.assumingMemoryBound(to: CChar.self)
                var (left, free) = (input.count, output.count)
                iconv(converter, nil, nil, nil, nil)
                guard iconv(converter, &rest, &left, &end, &free) != -1, left == 0 else { return nil }
                iconv(converter, nil, nil, &end, &free)
                return output.count - free
            }
        }
        return produced.map { Array(output[..<$0]) }
    }

    /// Writes the character that the converter may hold back because a combining mark could follow.
    private func finish(_ output: DecodedText) throws {
        try output.withFreeSpace { space in
            var free = space.count
            var end: UnsafeMutablePointer<CChar>? = space.baseAddress?.assumingMemoryBound(to: CChar.self)
            iconv(converter, nil, nil, &end, &free)
            return space.count - free
        }
    }
}
