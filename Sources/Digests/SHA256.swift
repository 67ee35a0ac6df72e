import Crypto
import Durable
import Glibc

extension SHA256 {
    /// The hash of a file's bytes. Reads a megabyte at a time: a file cut short meanwhile is an error of reading, where a
    /// mapped one would be a signal.
    package static func hash(ofFile path: String) throws(DurableError) -> Digest {
        let descriptor = retrying { open(path, O_RDONLY | O_CLOEXEC) }
        guard descriptor >= 0 else { throw DurableError(operation: "open", path: path, errno: errno) }
        defer { close(descriptor) }
        return try hash(ofDescriptor: descriptor, path: path)
    }

    /// As `hash(ofFile:)`, of what is open and has not been read from.
    /// - Parameter path: for messages
    package static func hash(ofDescriptor descriptor: Int32, path: String) throws(DurableError) -> Digest {
        var hash = SHA256()
        let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
        defer { piece.deallocate() }
        while true {
            let count = retrying { read(descriptor, piece.baseAddress, piece.count) }
            guard count >= 0 else { throw DurableError(operation: "read", path: path, errno: errno) }
            if count == 0 { return hash.finalize() }
            hash.update(bufferPointer: UnsafeRawBufferPointer(rebasing: piece[..<count]))
        }
    }
}

extension SHA256.Digest {
    /// 64 digits, in lower case.
    package var hexadecimal: String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}

/// A file whose bytes are not those of the SHA-256 it goes by.
package struct DigestMismatch: Error {
    package let path: String
    package let expected: String
    package let found: String

    /// - Throws: itself where the digests differ
    package static func check(_ hash: SHA256, is expected: String, path: String) throws(DigestMismatch) {
        let found = hash.finalize().hexadecimal
        guard found == expected else { throw DigestMismatch(path: path, expected: expected, found: found) }
    }

    private init(path: String, expected: String, found: String) {
        self.path = path
        self.expected = expected
        self.found = found
    }
}
