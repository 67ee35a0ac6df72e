import Daemon
import Testing

@Suite("File system of the state directory")
struct StateFileSystemTests {
    /// Values of `f_type` from statfs(2).
    @Test(
        "A network file system is refused; the error names it and says what to do",
        arguments: [
            (0x6969, nil, "nfs"), (0xFF53_4D42, nil, "cifs"), (0xFE53_4D42, nil, "smb2"), (0x517B, nil, "smb"),
            (0x5346_414F, nil, "afs"), (0x0102_1997, nil, "9p"), (0x00C3_6400, nil, "ceph"),
            (0x6573_5546, "fuse.sshfs", "fuse.sshfs"), (0x6573_5546, "fuse.glusterfs", "fuse.glusterfs"),
            (0x6573_5546, "fuse.ceph-fuse", "fuse.ceph-fuse"),
        ] as [(UInt32, String?, String)])
    func network(_ type: UInt32, _ mount: String?, _ name: String) throws {
        let fileSystem = StateFileSystem(type: type, mountType: mount)
        #expect(fileSystem == .network(name))
        let error = #expect(throws: StartError.self) {
            try KantaibertService.check(fileSystem, of: "/srv/kantaibert") { _ in Issue.record("only a warning") }
        }
        #expect(error?.description.contains("/srv/kantaibert is on a network file system (\(name))") == true)
        #expect(error?.description.contains("--state-dir") == true)
        #expect(error?.status == 78)
    }

    /// ext4, xfs, btrfs, tmpfs, overlayfs, zfs.
    @Test(
        "A local file system is accepted",
        arguments: [0xEF53, 0x5846_5342, 0x9123_683E, 0x0102_1994, 0x794C_7630, 0x2FC1_2FC1] as [UInt32])
    func local(_ type: UInt32) throws {
        #expect(StateFileSystem(type: type, mountType: "x") == .local)
        try KantaibertService.check(.local, of: "/x") { _ in Issue.record("a warning") }
    }

    @Test("An unknown user-space file system causes a warning", arguments: ["fuseblk", "fuse.mergerfs", nil])
    func unknown(_ mount: String?) throws {
        let fileSystem = StateFileSystem(type: 0x6573_5546, mountType: mount)
        #expect(fileSystem == .unknown(mount ?? "fuse"))
        var warnings: [String] = []
        try KantaibertService.check(fileSystem, of: "/x") { warnings.append($0) }
        #expect(warnings.count == 1)
    }

    @Test("The mount of a path is found")
    func mounts() {
        let text = """
            22 27 0:21 / /proc rw - proc proc rw
            27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
            30 27 0:40 / /srv rw - fuse.sshfs host:/srv rw
            31 30 0:41 / /srv/my\\040disk rw - ext4 /dev/vdb rw
            32 31 0:42 / /srv/my\\040disk rw - fuse.s3fs s3fs rw
            """
        func type(_ path: String) -> String? { StateFileSystem.mountType(of: path, mountinfo: text) }
        #expect(type("/srv/kantaibert") == "fuse.sshfs" && type("/srv") == "fuse.sshfs")
        #expect(type("/srv/my disk/a") == "fuse.s3fs", "the one mounted over another")
        #expect(type("/srvother") == "ext4")
        #expect(StateFileSystem.mountType(of: "/x", mountinfo: "no mounts") == nil)
    }
}
