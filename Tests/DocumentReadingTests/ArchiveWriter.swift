import CArchive
import Foundation

/// Writes archives and compressed files with libarchive's writer.
struct ArchiveWriter {
    enum Format: String, CaseIterable, Sendable {
        case zip, tar, sevenZip

        fileprivate var code: Int32 {
            switch self {
            case .zip: ARCHIVE_FORMAT_ZIP
            case .tar: ARCHIVE_FORMAT_TAR_PAX_RESTRICTED
            case .sevenZip: ARCHIVE_FORMAT_7ZIP
            }
        }
    }

    enum Filter: String, CaseIterable, Sendable {
        case gz, bz2, xz, zst, Z, lzma

        fileprivate var code: Int32 {
            switch self {
            case .gz: ARCHIVE_FILTER_GZIP
            case .bz2: ARCHIVE_FILTER_BZIP2
            case .xz: ARCHIVE_FILTER_XZ
            case .zst: ARCHIVE_FILTER_ZSTD
            case .Z: ARCHIVE_FILTER_COMPRESS
            case .lzma: ARCHIVE_FILTER_LZMA
            }
        }
    }

    struct Member {
        var name: String
        var bytes: [UInt8] = []
        /// The type bits of the mode.
        var type: mode_t = 0o100_000
        var linkTarget: String?

        static func file(_ name: String, _ text: String) -> Member { Member(name: name, bytes: Array(text.utf8)) }

        static func file(_ name: String, _ bytes: [UInt8]) -> Member { Member(name: name, bytes: bytes) }

        static func folder(_ name: String) -> Member { Member(name: name, type: 0o040_000) }

        static func link(_ name: String, to target: String) -> Member {
            Member(name: name, type: 0o120_000, linkTarget: target)
        }

        static func device(_ name: String) -> Member { Member(name: name, type: 0o020_000) }
    }

    /// - Parameter password: encrypts the members of a zip archive
    static func archive(_ format: Format, _ members: [Member], filter: Filter? = nil, password: String? = nil) throws
        -> [UInt8]
    {
        try write(members, filter, mostBytes: members.reduce(1 << 20) { $0 + $1.bytes.count + 4096 }) { archive in
            archive_write_set_format(archive, format.code)
            guard let password else { return }
            archive_write_set_options(archive, "zip:encryption=zipcrypt")
            archive_write_set_passphrase(archive, password)
        }
    }

    static func compressed(_ filter: Filter, _ bytes: [UInt8]) throws -> [UInt8] {
        try write([.file("data", bytes)], filter, mostBytes: 2 * bytes.count + 65_536) {
            archive_write_set_format_raw($0)
        }
    }

    static func compressed(_ filter: Filter, _ text: String) throws -> [UInt8] {
        try compressed(filter, Array(text.utf8))
    }

    private static func write(
        _ members: [Member], _ filter: Filter?, mostBytes: Int, configure: (OpaquePointer) -> Void
    ) throws -> [UInt8] {
        let archive = archive_write_new()!
        defer { archive_write_free(archive) }
        configure(archive)
        if let filter { archive_write_add_filter(archive, filter.code) }
        // Without padding, so that every byte counts.
        archive_write_set_bytes_in_last_block(archive, 1)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: mostBytes, alignment: 16)
        defer { buffer.deallocate() }
        var used = 0
        try check(archive_write_open_memory(archive, buffer.baseAddress, buffer.count, &used), archive)
        for member in members {
            let entry = archive_entry_new()
            defer { archive_entry_free(entry) }
            archive_entry_set_pathname_utf8(entry, member.name)
            archive_entry_copy_pathname(entry, member.name)
            archive_entry_set_filetype(entry, UInt32(member.type))
            archive_entry_set_perm(entry, 0o644)
            if let target = member.linkTarget { archive_entry_set_symlink(entry, target) }
            archive_entry_set_size(entry, Int64(member.bytes.count))
            try check(archive_write_header(archive, entry), archive)
            if !member.bytes.isEmpty {
                let count = archive_write_data(archive, member.bytes, member.bytes.count)
                guard count == member.bytes.count else { throw WriteError(message: "wrote \(count) bytes") }
            }
            try check(archive_write_finish_entry(archive), archive)
        }
        try check(archive_write_close(archive), archive)
        return Array(buffer[..<used])
    }

    private static func check(_ status: Int32, _ archive: OpaquePointer) throws {
        guard status == ARCHIVE_OK || status == ARCHIVE_WARN else {
            throw WriteError(message: archive_error_string(archive).map { String(cString: $0) } ?? "status \(status)")
        }
    }

    struct WriteError: Error {
        let message: String
    }
}
