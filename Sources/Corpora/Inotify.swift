import Durable
import Glibc

/// The kernel's watch on folders (`inotify(7)`). Closed with the last reference; used from one thread at a time.
final class Inotify {
    struct Event {
        let watch: Int32
        let mask: UInt32
        /// In the watched folder, as `RawPath` has it; empty for the folder itself.
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

    /// - Returns: the number that events of this folder carry
    /// - Parameter path: for messages
    func watch(_ folder: OpenFolder, path: String) throws(DurableError) -> Int32 {
        let content = IN_CREATE | IN_MODIFY | IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE
        let own = IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR | IN_EXCL_UNLINK
        // By the open descriptor: a path could have become another one's since.
        let watch = inotify_add_watch(
            descriptor, "/proc/self/fd/\(folder.descriptor)", UInt32(bitPattern: content | own))
        guard watch >= 0 else {
            throw DurableError(
                operation: "inotify_add_watch", path: path, errno: errno,
                hint: errno == ENOSPC ? "too many folders are watched: raise fs.inotify.max_user_watches" : nil)
        }
        return watch
    }

    func unwatch(_ watch: Int32) {
        inotify_rm_watch(descriptor, watch)
    }

    /// What has happened; nothing where nothing has. Does not wait, and does not return everything at once: somebody who
    /// opens and closes a file as fast as this can read would never let it come to an end.
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
