import Crypto
import Glibc

/// The SHA-256 of a file's bytes, in hexadecimal. Reads a megabyte at a time: a file cut short meanwhile is an error of
/// reading, where a mapped one would be a signal.
package func sha256(ofFile path: String) throws(InferenceError) -> String {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .load(path: path, reason: String(cString: strerror(errno))) }
    defer { close(descriptor) }
    var hash = SHA256()
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 16)
    defer { buffer.deallocate() }
    while true {
        let count = read(descriptor, buffer.baseAddress, buffer.count)
        guard count >= 0 else {
            if errno == EINTR { continue }
            throw .load(path: path, reason: String(cString: strerror(errno)))
        }
        if count == 0 { break }
        hash.update(bufferPointer: UnsafeRawBufferPointer(rebasing: buffer[..<count]))
    }
    return hexadecimal(hash.finalize())
}

func hexadecimal(_ digest: SHA256Digest) -> String {
    let digits = Array("0123456789abcdef")
    return String(digest.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
}
