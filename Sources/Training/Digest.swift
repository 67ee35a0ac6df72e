import Crypto
import Durable
import Glibc

/// The SHA-256 of a file, in hexadecimal, read a piece at a time.
func sha256(ofFile path: String) throws(DurableError) -> String {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw DurableError(operation: "open", path: path, errno: errno) }
    defer { close(descriptor) }
    var hash = SHA256()
    let size = 1 << 20
    let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 64)
    defer { piece.deallocate() }
    while true {
        let count = read(descriptor, piece.baseAddress, size)
        if count < 0, errno == EINTR { continue }
        guard count >= 0 else { throw DurableError(operation: "read", path: path, errno: errno) }
        if count == 0 { break }
        hash.update(bufferPointer: UnsafeRawBufferPointer(rebasing: piece[..<count]))
    }
    return hash.finalize().hexadecimal
}

extension SHA256.Digest {
    var hexadecimal: String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}
