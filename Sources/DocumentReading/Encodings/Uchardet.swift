import CUchardet
import TextReading

/// Mozilla's detector, which knows the pairs of letters of many languages.
enum Uchardet {
    /// It analyzes 2 MB of Latin letters a second.
    private static let mostBytes = 32 << 10

    /// Returns the encoding that uchardet detects in a sample.
    static func detect(_ sample: [[UInt8]]) -> EncodingName? {
        guard let detector = uchardet_new() else { return nil }
        defer { uchardet_delete(detector) }
        var rest = mostBytes
        // A few blocks, spread over the whole region.
        let step = max(1, sample.reduce(0) { $0 + $1.count } / mostBytes)
        for index in stride(from: 0, to: sample.count, by: step) where rest > 0 {
            let part = sample[index].prefix(rest)
            rest -= part.count
            let result = part.withUnsafeBytes {
                uchardet_handle_data(detector, $0.bindMemory(to: CChar.self).baseAddress, $0.count)
            }
            guard result == 0 else { return nil }
        }
        uchardet_data_end(detector)
        guard let name = uchardet_get_charset(detector) else { return nil }
        return EncodingName(String(cString: name))
    }
}
