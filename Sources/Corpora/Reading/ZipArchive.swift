import CZip
import Durable
import Glibc

/// Reads the members of a zip archive one after another. Nothing is ever written under a member's name.
///
/// The size of the central directory is limited before libzip reads it: libzip allocates an entry and a hash table slot
/// per member, and its hash function is unkeyed, so that a crafted archive can cost time quadratic in the number of
/// members.
final class ZipArchive {
    struct Member {
        let index: UInt64
        let name: String

        /// The name, shortened for use in a rejection reason.
        var shownName: String { ZipArchive.shown(name) }
    }

    /// Maximum number of members, including directories and hidden files.
    static let mostMembers = 16_384
    /// Maximum size in bytes of the central directory.
    static let mostDirectoryBytes = 16 << 20
    private static let longestShownName = 100

    private let archive: OpaquePointer
    private let input: ZipInput
    let members: [Member]

    /// - Parameters:
    ///   - descriptor: owned by the caller; must stay open for the lifetime of this object
    ///   - bytes: size of the file
    /// - Throws: `RejectionError` if the archive is invalid, encrypted or too large; `ReadingInterrupted`
    init(descriptor: Int32, bytes: Int, interruption: Interruption) throws {
        try ZipDirectory.check(descriptor: descriptor, bytes: bytes)
        let input = ZipInput(descriptor: descriptor, bytes: bytes, interruption: interruption)
        var error = zip_error_t()
        zip_error_init(&error)
        defer { zip_error_fini(&error) }
        guard let source = input.makeSource(&error) else {
            throw RejectionError("cannot be decompressed: libzip ran out of memory")
        }
        guard let archive = zip_open_from_source(source, Int32(ZIP_CHECKCONS | ZIP_RDONLY), &error) else {
            zip_source_free(source)
            try interruption.check()
            throw RejectionError("is not a valid zip file: \(String(cString: zip_error_strerror(&error)))")
        }
        do {
            members = try ZipArchive.members(of: archive, bytes: bytes, interruption)
        } catch {
            zip_discard(archive)
            throw error
        }
        self.archive = archive
        self.input = input
    }

    /// Lists the members, without directories, hidden files and macOS resource forks.
    private static func members(of archive: OpaquePointer, bytes: Int, _ interruption: Interruption) throws -> [Member]
    {
        let count = zip_get_num_entries(archive, 0)
        guard count <= mostMembers else { throw tooMany(UInt64(count)) }
        var members: [Member] = []
        var rest = UInt64(max(0, bytes))
        for index in 0..<UInt64(max(0, count)) {
            try interruption.check()
            var status = zip_stat_t()
            zip_stat_init(&status)
            guard zip_stat_index(archive, index, 0, &status) == 0, let raw = status.name else {
                throw RejectionError("is not a valid zip file: \(String(cString: zip_strerror(archive)))")
            }
            // Members that share compressed data would be decompressed repeatedly.
            guard status.comp_size <= rest else {
                throw RejectionError("is not a valid zip file: its members add up to more than the size of the file")
            }
            rest -= status.comp_size
            let name = String(cString: raw)
            let parts = name.split(separator: "/")
            if name.hasSuffix("/") || parts.contains(where: { $0.hasPrefix(".") || $0 == "__MACOSX" }) { continue }
            var system: UInt8 = 0
            var attributes: UInt32 = 0
            zip_file_get_external_attributes(archive, index, 0, &system, &attributes)
            let isUnix = Int32(system) == ZIP_OPSYS_UNIX
            if isUnix, attributes >> 16 & UInt32(S_IFMT) == UInt32(S_IFLNK) { continue }
            guard status.encryption_method == UInt16(ZIP_EM_NONE) else {
                throw RejectionError("has an encrypted member: ‘\(shown(name))’; remove the password")
            }
            // Other methods can use unlimited memory: for LZMA, the member itself determines the amount.
            guard [ZIP_CM_STORE, ZIP_CM_DEFLATE].contains(Int32(status.comp_method)) else {
                throw RejectionError(
                    "has a member compressed with method \(status.comp_method) (supported are stored and deflated): "
                        + "‘\(shown(name))’")
            }
            members.append(Member(index: index, name: name))
        }
        return members
    }

    fileprivate static func tooMany(_ count: UInt64) -> RejectionError {
        RejectionError(
            "has \(count) members, more than the maximum of \(mostMembers): split the archive or join the texts")
    }

    fileprivate static func shown(_ name: String) -> String {
        name.boundedInTheMiddle(toBytes: longestShownName)
    }

    func forEachPiece(of member: Member, _ take: (UnsafeRawBufferPointer) throws -> Void) throws {
        guard let file = zip_fopen_index(archive, member.index, 0) else {
            try input.interruption.check()
            throw RejectionError(
                "member ‘\(member.shownName)’ cannot be read: \(String(cString: zip_strerror(archive)))")
        }
        defer { zip_fclose(file) }
        let output = UnsafeMutableRawBufferPointer.allocate(byteCount: Expansion.pieceBytes, alignment: 16)
        defer { output.deallocate() }
        while true {
            let count = zip_fread(file, output.baseAddress, UInt64(output.count))
            try input.interruption.check()
            // Also reported when the checksum at the end does not match.
            guard count >= 0 else {
                throw RejectionError(
                    "member ‘\(member.shownName)’ is damaged: \(String(cString: zip_file_strerror(file)))")
            }
            if count == 0 { return }
            try take(UnsafeRawBufferPointer(rebasing: output[..<Int(count)]))
        }
    }

    deinit { zip_discard(archive) }
}

/// Limits the values in every end-of-central-directory record that libzip may use (APPNOTE.TXT 4.3.14 to 4.3.16).
private enum ZipDirectory {
    private static let endBytes = 22
    private static let longestComment = 0xFFFF
    private static let locatorBytes = 20
    private static let zip64EndBytes = 56
    /// Maximum number of end-of-central-directory signatures. libzip reads a directory for each of them.
    private static let mostEnds = 4

    static func check(descriptor: Int32, bytes: Int) throws {
        let length = min(bytes, endBytes + longestComment + locatorBytes)
        guard let tail = read(descriptor, at: bytes - length, count: length) else { return }
        var ends = 0
        for start in tail.indices where isSignature(tail, start, 0x0605_4B50) {
            ends += 1
            guard ends <= mostEnds else {
                throw RejectionError("is not a valid zip file: it has several end-of-central-directory records")
            }
            // libzip rejects a truncated record.
            guard start + endBytes <= tail.count else { continue }
            let locator = start - locatorBytes
            let isZip64 = locator >= 0 && isSignature(tail, locator, 0x0706_4B50)
            // If all bits are set, the value is in the zip64 record.
            func bound16(_ place: Int) throws {
                let members = number(tail, start + place, 2)
                if !(isZip64 && members == 0xFFFF) { try bound(members: members) }
            }
            try bound16(8)
            try bound16(10)
            let directory = number(tail, start + 12, 4)
            if !(isZip64 && directory == 0xFFFF_FFFF) { try bound(directory: directory) }
            guard isZip64, let offset = Int(exactly: number(tail, locator + 8, 8)), offset <= bytes - zip64EndBytes,
                let end = read(descriptor, at: offset, count: zip64EndBytes)
            else { continue }
            try bound(members: number(end, 24, 8))
            try bound(members: number(end, 32, 8))
            try bound(directory: number(end, 40, 8))
        }
    }

    private static func bound(members: UInt64) throws {
        if members > ZipArchive.mostMembers { throw ZipArchive.tooMany(members) }
    }

    private static func bound(directory: UInt64) throws {
        guard directory > ZipArchive.mostDirectoryBytes else { return }
        throw RejectionError(
            "has a central directory of \(directory) bytes, more than the maximum of \(ZipArchive.mostDirectoryBytes): "
                + "split the archive or shorten the names of its members")
    }

    /// Returns nil if the range is outside the file.
    private static func read(_ descriptor: Int32, at offset: Int, count: Int) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: count)
        var done = 0
        while done < count {
            let got = bytes.withUnsafeMutableBytes { bytes in
                retrying { pread(descriptor, bytes.baseAddress! + done, count - done, off_t(offset + done)) }
            }
            guard got > 0 else { return nil }
            done += got
        }
        return bytes
    }

    private static func isSignature(_ bytes: [UInt8], _ start: Int, _ signature: UInt64) -> Bool {
        bytes[start] == UInt8(ascii: "P") && start + 4 <= bytes.count && number(bytes, start, 4) == signature
    }

    /// Decodes a little-endian integer.
    private static func number(_ bytes: [UInt8], _ start: Int, _ count: Int) -> UInt64 {
        (0..<count).reversed().reduce(0) { $0 << 8 | UInt64(bytes[start + $1]) }
    }
}

/// A libzip source that reads from a descriptor and supports cancellation, also while a member decompresses to nothing.
private final class ZipInput {
    let interruption: Interruption
    private let descriptor: Int32
    private let bytes: Int
    private var position = 0
    private var error = zip_error_t()

    init(descriptor: Int32, bytes: Int, interruption: Interruption) {
        self.descriptor = descriptor
        self.bytes = bytes
        self.interruption = interruption
        zip_error_init(&error)
    }

    deinit { zip_error_fini(&error) }

    /// - Returns: a source that retains this object until libzip frees it
    func makeSource(_ error: UnsafeMutablePointer<zip_error_t>) -> OpaquePointer? {
        let own = Unmanaged.passRetained(self)
        let source = zip_source_function_create(
            { own, data, length, command in
                let input = Unmanaged<ZipInput>.fromOpaque(own!)
                if command == ZIP_SOURCE_FREE {
                    input.release()
                    return 0
                }
                return input.takeUnretainedValue().answer(command, data, length)
            }, own.toOpaque(), error)
        if source == nil { own.release() }
        return source
    }

    private func answer(_ command: zip_source_cmd_t, _ data: UnsafeMutableRawPointer?, _ length: UInt64) -> Int64 {
        switch command {
        case ZIP_SOURCE_OPEN:
            position = 0
            return 0
        case ZIP_SOURCE_CLOSE: return 0
        case ZIP_SOURCE_READ: return read(data, length)
        case ZIP_SOURCE_STAT:
            guard let status = data?.assumingMemoryBound(to: zip_stat_t.self),
                length >= UInt64(MemoryLayout<zip_stat_t>.size)
            else { return refuse(ZIP_ER_INVAL) }
            zip_stat_init(status)
            status.pointee.size = UInt64(bytes)
            status.pointee.valid |= UInt64(ZIP_STAT_SIZE)
            return Int64(MemoryLayout<zip_stat_t>.size)
        case ZIP_SOURCE_SEEK:
            guard let data else { return refuse(ZIP_ER_INVAL) }
            let offset = zip_source_seek_compute_offset(UInt64(position), UInt64(bytes), data, length, &error)
            guard offset >= 0 else { return -1 }
            position = Int(offset)
            return 0
        case ZIP_SOURCE_TELL: return Int64(position)
        case ZIP_SOURCE_ERROR:
            guard let data else { return -1 }
            return zip_error_to_data(&error, data, length)
        case ZIP_SOURCE_SUPPORTS:
            return [
                ZIP_SOURCE_OPEN, ZIP_SOURCE_READ, ZIP_SOURCE_CLOSE, ZIP_SOURCE_STAT, ZIP_SOURCE_ERROR, ZIP_SOURCE_FREE,
                ZIP_SOURCE_SEEK, ZIP_SOURCE_TELL, ZIP_SOURCE_SUPPORTS,
            ].reduce(0) { $0 | 1 << Int64($1.rawValue) }
        default: return refuse(ZIP_ER_OPNOTSUPP)
        }
    }

    private func read(_ data: UnsafeMutableRawPointer?, _ length: UInt64) -> Int64 {
        guard let data, !interruption.isCancelled() else { return refuse(ZIP_ER_READ) }
        let count = min(Int(clamping: length), max(0, bytes - position))
        let got = retrying { pread(descriptor, data, count, off_t(position)) }
        guard got >= 0 else { return refuse(ZIP_ER_READ) }
        position += got
        return Int64(got)
    }

    private func refuse(_ code: Int32) -> Int64 {
        zip_error_set(&error, code, errno)
        return -1
    }
}
