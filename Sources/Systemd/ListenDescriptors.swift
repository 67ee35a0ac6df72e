import CSystemd
import Glibc

/// Returns the sockets that systemd opened for this process, each with its `FileDescriptorName=`.
///
/// The caller owns them. They are not inherited by child processes and are returned only once: a second call returns none.
public func listenDescriptors() -> [(name: String, descriptor: Int32)] {
    var names: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
    let count = sd_listen_fds_with_names(1, &names)
    guard count > 0, let names else { return [] }
    defer { free(names) }
    return (0..<Int(count)).map { index in
        defer { free(names[index]) }
        let name = names[index].map { String(cString: $0) } ?? ""
        return (name, SD_LISTEN_FDS_START + Int32(index))
    }
}
