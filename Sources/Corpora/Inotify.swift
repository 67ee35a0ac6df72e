import Durable
import Glibc

/// An inotify instance (`inotify(7)`). Closed when the last reference is released. Not thread-safe.
final class Inotify {
    struct Event {
        let watch: Int32
        let mask: UInt32
        /// Name in the watched directory in `RawPath` encoding; empty for the directory itself.
        let name: String

        func has(_ flags: Int32) -> Bool { mask & UInt32(bitPattern: flags) != 0 }
    }

    let descriptor: Int32
    private static let bufferBytes = 64 << 10

    init() throws(DurableError) {
        descriptor = inotify_init1(Int32(O_NONBLOCK | O_CLOEXEC))
        guard descriptor >= 0 else {
            throw DurableError(
                operation: "inotify_init", path: "inotify", errno: errno,
                hint: errno == EMFILE ? "raise fs.inotify.max_user_instances" : nil)
        }
    }

    /// Adds a watch for a directory.
    /// - Parameter path: used in the error
    /// - Returns: the watch descriptor, which identifies the directory in events
    func watch(_ folder: OpenFolder, path: String) throws(DurableError) -> Int32 {
        let content = IN_CREATE | IN_MODIFY | IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE
        let own = IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR | IN_EXCL_UNLINK
        // Uses the open descriptor, because the path may refer to another directory by now.
        let watch = inotify_add_watch(
            descriptor, "/proc/self/fd/\(folder.descriptor)", UInt32(bitPattern: content | own))
        guard watch >= 0 else {
            throw DurableError(
                operation: "inotify_add_watch", path: path, errno: errno,
                hint: errno == ENOSPC ? "the limit on watches is reached: raise fs.inotify.max_user_watches" : nil)
        }
        return watch
    }

    func unwatch(_ watch: Int32) {
        inotify_rm_watch(descriptor, watch)
    }

    /// Returns pending events, or an empty array if there are none. Does not block. Reads one buffer only, because a
    /// process that opens and closes a file in a loop could otherwise keep this method from returning.
    func events() -> [Event] {
        withUnsafeTemporaryAllocation(
            byteCount: Inotify.bufferBytes, alignment: MemoryLayout<inotify_event>.alignment
        ) { buffer in
            var events: [Event] = []
            let count = retrying { read(descriptor, buffer.baseAddress, buffer.count) }
            var offset = 0
            while offset < count {
                let header = buffer.load(fromByteOffset: offset, as: inotify_event.self)
                offset += MemoryLayout<inotify_event>.size
                let name = buffer[offset..<offset + Int(header.len)].prefix { $0 != 0 }
                events.append(Event(watch: header.wd, mask: header.mask, name: RawPath.text(name)))
                offset += Int(header.len)
            }
            return events
        }
    }

    deinit {
        close(descriptor)
    }
}
