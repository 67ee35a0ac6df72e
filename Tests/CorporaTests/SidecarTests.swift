import Corpora
import Testing
import TextReading

struct SidecarTests {
    @Test(arguments: [
        ("book.txt:Zone.Identifier", Sidecar.metadata), ("desktop.ini", .metadata), ("Thumbs.db", .metadata),
        (".DS_Store", .metadata), ("._book.txt", .metadata), ("book.txt.aria2", .unfinished),
        ("book.txt.st", .unfinished), ("book.txt.!qB", .unfinished), ("book.txt.part", .unfinished),
        ("book.txt.part2", .unfinished), ("book.txt.part-Frag7", .unfinished), ("book.txt.partial", .unfinished),
        (".in.book.txt", .unfinished), ("book.txt.lftp-pget-status", .unfinished),
        (".syncthing.book.txt.tmp", .unfinished), ("~syncthing~book.txt.tmp", .unfinished),
        ("book.sync-conflict-20240101-120000-ABCDEFG.txt.tmp", .unfinished), ("SHA256SUMS", .checksums),
        ("MD5SUMS", .checksums), ("md5sums.txt.md5", .checksums), ("book.txt.sha256", .checksums),
        ("CHECKSUM.SHA512-FreeBSD", .checksums), ("checksums.txt", .checksums),
        ("kbconfig.yaml", .misnamedConfiguration), (".kbconfig.yml", .misnamedConfiguration),
    ])
    func recognizesNames(name: String, kind: Sidecar) {
        #expect(Sidecar.kind(ofName: name) == kind)
    }

    @Test(arguments: [
        "book.txt", "book.part1.txt", "partisan.txt", "the.party", "checksums explained.txt", "notes.md", "st", "a.stx",
        ".kbconfig.yaml", "kbconfig.yaml.txt", "desktop.ini.txt", "tmp", "in.txt", "md5",
    ])
    func leavesOtherNames(name: String) {
        #expect(Sidecar.kind(ofName: name) == nil)
    }
}
