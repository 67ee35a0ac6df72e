import CFiles
import Glibc

/// Whether the inbox is scanned periodically, because the kernel does not report changes that other hosts make.
public enum InboxPolling: Sendable, Equatable {
    /// Scans every ten seconds if a folder is on a file system that does not report all changes.
    case automatic
    case never
    case every(seconds: Double)

    static let automaticInterval = Duration.seconds(10)
}

extension OpenFolder {
    /// The name of the file system of this directory if other hosts or a user-space server may change it without an
    /// event; nil for other file systems.
    var fileSystemWithoutEvents: String? {
        var status = statfs()
        guard fstatfs(descriptor, &status) == 0 else { return nil }
        return Self.withoutEvents[UInt32(truncatingIfNeeded: status.f_type)]
    }

    /// By `f_type`; see statfs(2) and <linux/magic.h>.
    private static let withoutEvents: [UInt32: String] = [
        0x6969: "NFS", 0xFF53_4D42: "SMB", 0xFE53_4D42: "SMB", 0x517B: "SMB", 0x6573_5546: "FUSE", 0x0102_1997: "9P",
        0x00C3_6400: "Ceph", 0x5346_414F: "AFS", 0x6B41_4653: "AFS", 0x0BD0_0BD0: "Lustre", 0x4750_4653: "GPFS",
        0x0116_1970: "GFS2", 0x7461_636F: "OCFS2", 0x786F_4256: "VirtualBox shared folders",
    ]
}
