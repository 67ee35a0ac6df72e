import Glibc
import TextReading
import UTF8Sequences

/// Converts bytes of one encoding to UTF-8.
protocol Decoder: AnyObject {
    /// Converts as much of the input as is complete.
    /// - Parameter isLast: whether nothing follows, so that an incomplete character is undecodable
    /// - Returns: how many bytes were consumed. The rest is passed again at the beginning of the next input.
    func decode(_ input: UnsafeRawBufferPointer, isLast: Bool, to output: DecodedText) throws -> Int
}

/// Counts of what was replaced by U+FFFD in a text.
package struct Replacements: Sendable, Equatable {
    /// Bytes that could not be decoded.
    package fileprivate(set) var undecodable = 0
    /// NUL characters, which text never contains.
    package fileprivate(set) var nul = 0

    package var all: Int { undecodable + nul }

    static func += (sum: inout Self, other: Self) {
        sum.undecodable += other.undecodable
        sum.nul += other.nul
    }
}

/// Collects decoded text and passes it on in pieces.
final class DecodedText {
    private(set) var replaced = Replacements()
    private let buffer: UnsafeMutableRawBufferPointer
    private var count = 0
    private let take: (UnsafeRawBufferPointer) throws -> Void

    private static let bytes = 256 << 10

    init(_ take: @escaping (UnsafeRawBufferPointer) throws -> Void) {
        buffer = .allocate(byteCount: Self.bytes, alignment: 16)
        self.take = take
    }

    deinit { buffer.deallocate() }

    func append(_ bytes: UnsafeRawBufferPointer) throws {
        var rest = bytes
        while !rest.isEmpty {
            if count == Self.bytes { try flush() }
            let part = UnsafeRawBufferPointer(rebasing: rest.prefix(Self.bytes - count))
            UnsafeMutableRawBufferPointer(rebasing: buffer[count...]).copyMemory(from: part)
            count += part.count
            rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(part.count))
        }
    }

    /// Lets `fill` write to at least 128 KiB of free space and return how many bytes it wrote.
    func withFreeSpace(_ fill: (UnsafeMutableRawBufferPointer) -> Int) throws {
        if count > Self.bytes / 2 { try flush() }
        count += fill(UnsafeMutableRawBufferPointer(rebasing: buffer[count...]))
    }

    /// Replaces undecodable bytes of the input by one U+FFFD.
    func replace(_ undecodable: Int) throws {
        try UTF8Sequence.replacement.withUnsafeBytes { try append($0) }
        replaced.undecodable += undecodable
    }

    /// Passes on the collected text. NUL, which text never contains, is replaced.
    func flush() throws {
        defer { count = 0 }
        var rest = UnsafeRawBufferPointer(rebasing: buffer[..<count])
        while let first = rest.baseAddress, let found = memchr(first, 0, rest.count) {
            let place = UnsafeRawPointer(found) - first
            if place > 0 { try take(UnsafeRawBufferPointer(rebasing: rest[..<place])) }
            try UTF8Sequence.replacement.withUnsafeBytes(take)
            replaced.nul += 1
            rest = UnsafeRawBufferPointer(rebasing: rest[(place + 1)...])
        }
        if !rest.isEmpty { try take(rest) }
    }
}

extension FileRegion {
    private static let decodedPieceBytes = 64 << 10

    /// Decodes the region, starting at `offset`.
    /// - Parameter most: number of replacements after which decoding ends
    func decode(
        with decoder: any Decoder, from offset: Int = 0, most: Int = .max,
        _ take: (UnsafeRawBufferPointer) throws -> Void
    ) throws -> Replacements {
        try withoutActuallyEscaping(take) { take in
            let output = DecodedText(take)
            let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.decodedPieceBytes, alignment: 16)
            defer { piece.deallocate() }
            var position = offset
            while position < bytes, output.replaced.all <= most {
                let count = try read(at: position, into: piece)
                if count == 0 { break }
                let isLast = position + count >= bytes || count < piece.count
                let consumed = try decoder.decode(
                    UnsafeRawBufferPointer(rebasing: piece[..<count]), isLast: isLast, to: output)
                guard consumed > 0 else { break }
                position += consumed
            }
            try output.flush()
            return output.replaced
        }
    }
}
