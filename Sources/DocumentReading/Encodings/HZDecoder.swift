/// Decodes HZ (RFC 1843): GB 2312 in seven bits between `~{` and `~}`. glibc has no converter for it.
final class HZDecoder: Decoder {
    private let gb2312: IconvDecoder
    private var isInGB = false
    /// Number of lines that end before `~}`, which ends the characters of two bytes as if it were there.
    private(set) var unclosedLines = 0

    /// - Returns: nil if iconv has no converter for GB 2312
    init?() {
        guard let gb2312 = IconvDecoder("EUC-CN") else { return nil }
        self.gb2312 = gb2312
    }

    func decode(_ input: UnsafeRawBufferPointer, isLast: Bool, to output: DecodedText) throws -> Int {
        let tilde = UInt8(ascii: "~")
        var index = 0
        // Whole characters of EUC-CN.
        var decoded: [UInt8] = []
        decoded.reserveCapacity(input.count)
        func flush() throws {
            _ = try decoded.withUnsafeBytes { try gb2312.decode($0, isLast: true, to: output) }
            decoded.removeAll(keepingCapacity: true)
        }
        while index < input.count {
            let byte = input[index]
            let next = index + 1 < input.count ? input[index + 1] : nil
            if next == nil, !isLast, byte == tilde || isInGB { break }
            switch (isInGB, byte, next) {
            case (true, tilde, UInt8(ascii: "}")): isInGB = false
            case (false, tilde, UInt8(ascii: "{")): isInGB = true
            case (false, tilde, tilde): decoded.append(tilde)
            // The line continues.
            case (false, tilde, UInt8(ascii: "\n")): break
            case (true, 0x21..<0x7E, .some(0x21...0x7E)):
                decoded.append(byte | 0x80)
                decoded.append(next! | 0x80)
            case (true, 0x21..., _), (false, tilde, _):
                try flush()
                try output.replace(1)
                index -= 1
            default:
                if isInGB, byte == UInt8(ascii: "\n") {
                    unclosedLines += 1
                    isInGB = false
                }
                decoded.append(byte)
                index -= 1
            }
            index += 2
        }
        try flush()
        return index
    }

    /// Decodes all of a short input.
    /// - Returns: the text, or nil if a part of it is undecodable
    func decode(whole input: [UInt8]) -> [UInt8]? {
        var text: [UInt8] = []
        let output = DecodedText { text.append(contentsOf: $0) }
        do {
            _ = try input.withUnsafeBytes { try decode($0, isLast: true, to: output) }
            try output.flush()
        } catch {
            return nil
        }
        return output.replaced.all == 0 ? text : nil
    }
}
