import Glibc

/// A regular file mapped read-only into memory as a whole. The mapping ends with the last reference.
///
/// `@unchecked Sendable`: nothing writes through the mapping.
package final class MappedFile: @unchecked Sendable {
    /// Empty if the file is.
    package let bytes: UnsafeRawBufferPointer

    /// - Parameter followsLinks: false refuses a symbolic link with `ELOOP`
    /// - Throws: `DurableError`, with `EINVAL` if `path` is not a regular file
    package init(_ path: String, followsLinks: Bool = true) throws(DurableError) {
        let (descriptor, size) = try Durable.openRegular(path, followsLinks: followsLinks)
        defer { close(descriptor) }
        guard size > 0 else {
            bytes = UnsafeRawBufferPointer(start: nil, count: 0)
            return
        }
        guard let address = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0), address != MAP_FAILED else {
            throw DurableError("mmap", path)
        }
        bytes = UnsafeRawBufferPointer(start: address, count: size)
    }

    deinit {
        if let address = bytes.baseAddress { munmap(UnsafeMutableRawPointer(mutating: address), bytes.count) }
    }
}
