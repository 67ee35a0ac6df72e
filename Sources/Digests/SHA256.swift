import Crypto
import Durable
import Glibc

extension SHA256 {
    /// Returns the hash of a file. Reads it in pieces of 1 MiB instead of mapping it, because truncating a mapped file
    /// would cause SIGBUS.
    package static func hash(ofFile path: String) throws(DurableError) -> Digest {
        let descriptor = retrying { open(path, O_RDONLY | O_CLOEXEC) }
        guard descriptor >= 0 else { throw DurableError(operation: "open", path: path, errno: errno) }
        defer { close(descriptor) }
        return try hash(ofDescriptor: descriptor, path: path)
    }

    /// Same as `hash(ofFile:)`, but for an open descriptor, which must be at the start of the file.
    /// - Parameter path: used in errors
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
    /// The digest as 64 lowercase hexadecimal digits.
    package var hexadecimal: String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}

/// Thrown if the contents of a file do not match its SHA-256.
package struct DigestMismatch: Error {
    package let path: String
    package let expected: String
    package let found: String

    /// - Throws: `DigestMismatch` if the digests differ
    package static func check(_ hash: SHA256, is expected: String, path: String) throws(DigestMismatch) {
        try check(hash.finalize(), is: expected, path: path)
    }

    /// - Throws: `DigestMismatch` if the digests differ
    package static func check(_ digest: SHA256.Digest, is expected: String, path: String) throws(DigestMismatch) {
        let found = digest.hexadecimal
        guard found == expected else { throw DigestMismatch(path: path, expected: expected, found: found) }
    }

    private init(path: String, expected: String, found: String) {
        self.path = path
        self.expected = expected
        self.found = found
    }
}
