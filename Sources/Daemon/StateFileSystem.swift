import CFiles
import Durable
import FoundationEssentials
import Glibc

/// Classifies the file system of the state directory. SQLite in WAL mode relies on shared memory and on the kernel's locks; on
/// a network file system either may fail silently and corrupt the database.
package enum StateFileSystem: Equatable {
    case local
    /// A network file system, with its name.
    case network(String)
    /// A user-space file system, whose server may or may not implement locks.
    case unknown(String)

    /// - Parameters:
    ///   - type: `f_type` of `statfs`
    ///   - mountType: the file system type in `/proc/self/mountinfo`, such as `fuse.sshfs`; nil if unknown
    package init(type: UInt32, mountType: String?) {
        if let name = Self.network[type] {
            self = .network(name)
        } else if type == Self.fuse {
            let name = mountType ?? "fuse"
            let server = name.split(separator: ".").last.map(String.init) ?? name
            let isNetwork = Self.networkServers.contains { server.hasPrefix($0) }
            self = isNetwork ? .network(name) : .unknown(name)
        } else {
            self = .local
        }
    }

    /// Classifies the file system of `path`. It is assumed to be local if the kernel does not report it.
    package init(of path: String) {
        var status = statfs()
        guard statfs(path, &status) == 0 else {
            self = .local
            return
        }
        let mounts = (try? Durable.read("/proc/self/mountinfo")).map { String(decoding: $0, as: UTF8.self) } ?? ""
        // The kernel reports mount points with links resolved.
        var resolved = path
        if let real = realpath(path, nil) {
            resolved = String(cString: real)
            free(real)
        }
        self.init(
            type: UInt32(truncatingIfNeeded: status.f_type),
            mountType: Self.mountType(of: resolved, mountinfo: mounts))
    }

    /// Returns the type of the mount that a path is on: that of the longest matching mount point, or the last of
    /// several.
    /// - Parameter mountinfo: see proc_pid_mountinfo(5)
    package static func mountType(of path: String, mountinfo: String) -> String? {
        var found: (point: String, type: String)?
        for line in mountinfo.split(separator: "\n") {
            let fields = line.split(separator: " ")
            guard fields.count > 4, let dash = fields.firstIndex(of: "-"), dash + 1 < fields.count else { continue }
            let point = String(fields[4]).replacing("\\040", with: " ").replacing("\\011", with: "\t")
                .replacing("\\012", with: "\n").replacing("\\134", with: "\\")
            guard path == point || point == "/" || path.hasPrefix(point + "/") else { continue }
            if let best = found, best.point.utf8.count > point.utf8.count { continue }
            found = (point, String(fields[dash + 1]))
        }
        return found?.type
    }

    private static let fuse: UInt32 = 0x6573_5546

    /// From linux/magic.h, or from the sources of file systems that are not listed there.
    private static let network: [UInt32: String] = [
        0x6969: "nfs", 0x517B: "smb", 0xFF53_4D42: "cifs", 0xFE53_4D42: "smb2", 0x5346_414F: "afs",
        0x6B41_4653: "afs", 0x7375_7245: "coda", 0x564C: "ncp", 0x0102_1997: "9p", 0x00C3_6400: "ceph",
        0x0BD0_0BD0: "lustre", 0x4750_4653: "gpfs", 0x1983_0326: "beegfs", 0x786F_4256: "vboxsf",
    ]

    /// User-space file systems whose files are on another machine.
    private static let networkServers = [
        "sshfs", "glusterfs", "ceph", "s3fs", "rclone", "davfs", "curlftpfs", "smbnetfs", "nfs", "gcsfuse", "blobfuse",
        "goofys", "juicefs", "moosefs", "mfs", "lizardfs", "seaweedfs", "weed", "afp", "hdfs", "gvfs",
    ]
}
