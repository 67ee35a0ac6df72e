import CMagic
import Durable
import Synchronization

/// Names kinds of files with libmagic, the library of `file`.
final class Magic: Sendable {
    /// Omits the checks for archives and text, which are recognized elsewhere.
    private static let flags =
        MAGIC_NO_CHECK_COMPRESS | MAGIC_NO_CHECK_TAR | MAGIC_NO_CHECK_ELF | MAGIC_NO_CHECK_CSV | MAGIC_NO_CHECK_JSON
    private static let longestName = 80

    /// Loaded once, which takes milliseconds.
    static let shared = Magic()

    /// Nil if the database is missing.
    private let database: Mutex<Database?>

    private init() { database = Mutex(Database(flags: Self.flags)) }

    private struct Database: ~Copyable {
        let cookie: magic_t

        init?(flags: Int32) {
            guard let cookie = magic_open(flags) else { return nil }
            guard magic_load(cookie, nil) == 0 else {
                magic_close(cookie)
                return nil
            }
            self.cookie = cookie
        }

        deinit { magic_close(cookie) }
    }

    /// Returns the kind of a file that is not text, or nil if libmagic does not know it.
    func kind(of head: [UInt8]) -> FileKind? {
        guard let name = type(of: head) else { return nil }
        let parts = name.split(separator: "/", maxSplits: 1)
        guard parts.count == 2 else { return nil }
        switch parts[0] {
        case "image": return FileKind("a picture (\(name))", FileKind.picture("").advice)
        case "audio": return FileKind("an audio recording (\(name))", "only text can be learned: transcribe it")
        case "video": return FileKind("a video (\(name))", "only text can be learned: transcribe it")
        case "font": return FileKind("a font (\(name))")
        case "application": break
        default: return nil
        }
        if let found = Self.applications.first(where: { parts[1].contains($0.part) }) {
            return FileKind("\(found.kind) (\(name))", found.advice)
        }
        return parts[1] == "octet-stream" ? nil : FileKind("not text (libmagic says: \(name))")
    }

    /// Returns the MIME type. The descriptions of libmagic are not used: they can quote the file, and reasons are read by
    /// others.
    func type(of head: [UInt8]) -> String? {
        answer(MAGIC_MIME_TYPE, head).map { RawPath.printable($0.bounded(toBytes: Self.longestName)) }
    }

    /// Parts of MIME types without `application/`.
    private static let applications: [(part: String, kind: String, advice: String?)] = [
        ("executable", "a program", nil), ("sharedlib", "a program library", nil), ("x-object", "a program part", nil),
        ("dosexec", "a program", nil), ("x-mach", "a program", nil), ("java", "a program", nil),
        ("wasm", "a program", nil), ("bytecode", "a program", nil), ("coredump", "a core dump", nil),
        ("font", "a font", nil),
        ("pgp", "encrypted or signed with OpenPGP", "decrypt it with: gpg --decrypt FILE > NEW"),
        ("bittorrent", "a BitTorrent file", "download what it names, and put that here"),
        ("ms-tnef", "an Outlook attachment", "unpack it with: tnef FILE"),
        ("shockwave", "a video", "only text can be learned: transcribe it"),
        ("dbf", "a dBASE table", "convert it with: dbfxtrct -i FILE > FILE.csv"),
        ("vnd.tcpdump", "a capture of network packets", nil),
    ]

    private func answer(_ flags: Int32, _ head: [UInt8]) -> String? {
        database.withLock { database in
            guard let cookie = database?.cookie, magic_setflags(cookie, Self.flags | flags) == 0 else { return nil }
            return head.withUnsafeBytes { magic_buffer(cookie, $0.baseAddress, $0.count) }.map { String(cString: $0) }
        }
    }
}
