import CFiles
import Durable
import FoundationEssentials
import Glibc

/// What the file system of the state directory is good for. SQLite's log is shared memory between processes and its locks are
/// the kernel's: over a network either may fail in silence, and the database with them.
package enum StateFileSystem: Equatable {
    case local
    /// Its name.
    case network(String)
    /// In user space: whatever its server makes of locks.
    case unknown(String)

    /// - Parameters:
    ///   - type: `f_type` of `statfs`
    ///   - mountType: the type of the mount as `/proc/self/mountinfo` has it, `fuse.sshfs` for one; nil where it is not known
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

    /// Of the file system that `path` is in; local where the kernel does not say.
    package init(of path: String) {
        var status = statfs()
        guard statfs(path, &status) == 0 else {
            self = .local
            return
        }
        let mounts = (try? Durable.read("/proc/self/mountinfo")).map { String(decoding: $0, as: UTF8.self) } ?? ""
        // Mount points are told without links.
        var resolved = path
        if let real = realpath(path, nil) {
            resolved = String(cString: real)
            free(real)
        }
        self.init(
            type: UInt32(truncatingIfNeeded: status.f_type),
            mountType: Self.mountType(of: resolved, mountinfo: mounts))
    }

    /// The type of the mount that a path is below: the last one of the longest mount point.
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

    /// As in linux/magic.h and the sources of those that are not there.
    private static let network: [UInt32: String] = [
        0x6969: "nfs", 0x517B: "smb", 0xFF53_4D42: "cifs", 0xFE53_4D42: "smb2", 0x5346_414F: "afs",
        0x6B41_4653: "afs", 0x7375_7245: "coda", 0x564C: "ncp", 0x0102_1997: "9p", 0x00C3_6400: "ceph",
        0x0BD0_0BD0: "lustre", 0x4750_4653: "gpfs", 0x1983_0326: "beegfs", 0x786F_4256: "vboxsf",
    ]

    /// Servers in user space that have the files elsewhere.
    private static let networkServers = [
        "sshfs", "glusterfs", "ceph", "s3fs", "rclone", "davfs", "curlftpfs", "smbnetfs", "nfs", "gcsfuse", "blobfuse",
        "goofys", "juicefs", "moosefs", "mfs", "lizardfs", "seaweedfs", "weed", "afp", "hdfs", "gvfs",
    ]
}
