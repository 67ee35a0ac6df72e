import CFiles
import Glibc

/// The user who sent a file that the service received over its socket. Such a file belongs to the service, and only the
/// service can write to it, so its sender is recorded in an extended attribute.
package enum FileSender {
    private static let attribute = "user.kantaibert.sender"

    /// Records the sender of an open file.
    /// - Returns: false if the file system has no extended attributes of users; the service then counts as the sender
    package static func record(_ user: uid_t, of descriptor: Int32) -> Bool {
        let text = Array(String(user).utf8)
        return fsetxattr(descriptor, attribute, text, text.count, 0) == 0
    }

    /// Returns the recorded sender of a file in an open folder, without following a link. Only meaningful if the file belongs
    /// to the service: any other owner can write what they like.
    package static func ofFile(_ name: String, in folder: Int32) -> uid_t? {
        var text = [UInt8](repeating: 0, count: 16)
        let length = "/proc/self/fd/\(folder)/\(name)".withRawPath { lgetxattr($0, attribute, &text, text.count) }
        guard length > 0 else { return nil }
        return uid_t(String(decoding: text.prefix(length), as: UTF8.self))
    }
}
