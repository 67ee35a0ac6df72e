/// Keeps text that a reader needs in another order than that of its file.
package protocol TextSpool: AnyObject {
    func append(_ bytes: UnsafeRawBufferPointer) throws
    /// Fills the buffer with bytes that were appended before.
    func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws
}

/// Keeps the text in memory, where there is no disk space.
final class MemorySpool: TextSpool {
    private var bytes: [UInt8] = []

    func append(_ bytes: UnsafeRawBufferPointer) { self.bytes.append(contentsOf: bytes) }

    func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) {
        buffer.copyBytes(from: bytes[offset..<offset + buffer.count])
    }
}
