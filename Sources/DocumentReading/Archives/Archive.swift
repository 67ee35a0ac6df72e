import CArchive
import Durable
import Glibc
import TextReading

/// Reads the members of an archive one after another with libarchive, or the contents of a compressed file as its only
/// member. Nothing is ever written under a member's name.
final class Archive {
    struct Member {
        enum Kind { case file, folder, link, special }

        /// The path, in the encoding of `RawPath`.
        let name: String
        let kind: Kind
        /// Why the member cannot be read, or nil.
        let obstacle: String?
    }

    /// The contents of a member cannot be read.
    struct Damage: Error {
        let reason: String
        /// Whether the members after it cannot be read either.
        let isFatal: Bool
    }

    private let archive: OpaquePointer
    private let input: Input
    private let packing: Packing
    private var names = NameLocale()
    private var hasSkippedToMember = false

    /// - Throws: `RejectionError`, and errors thrown by the source
    init(_ source: any ByteSource, _ packing: Packing) throws {
        guard let archive = archive_read_new() else { throw RejectionError("cannot be unpacked: out of memory") }
        self.archive = archive
        self.packing = packing
        input = Input(source)
        // Exactly the format that was recognized: libarchive guesses more, and unpacks several layers at a time.
        let filter: Int32? =
            switch packing {
            case .gzip: ARCHIVE_FILTER_GZIP
            case .bzip2: ARCHIVE_FILTER_BZIP2
            case .xz: ARCHIVE_FILTER_XZ
            case .lzma: ARCHIVE_FILTER_LZMA
            case .zstd: ARCHIVE_FILTER_ZSTD
            case .compress, .zip, .tar, .sevenZip: nil
            }
        if let filter {
            archive_read_append_filter(archive, filter)
            archive_read_support_format_raw(archive)
        } else if packing == .compress {
            // Appending this filter would make libarchive read before the input is connected.
            archive_read_support_filter_compress(archive)
            archive_read_support_format_raw(archive)
        } else if packing == .zip {
            archive_read_support_format_zip_seekable(archive)
        } else if packing == .tar {
            archive_read_support_format_tar(archive)
        } else {
            archive_read_support_format_7zip(archive)
        }
        input.connect(to: archive)
        guard names.use({ archive_read_open1(archive) }) == ARCHIVE_OK,
            !packing.isStream || archive_filter_count(archive) > 1
        else {
            // The format `raw` accepts any bytes, so this fails only if there are none, for whatever reason.
            throw packing.isStream && input.error == nil
                ? RejectionError("unpacks to nothing: it is empty, or a truncated \(packing.name) file") : failure
        }
    }

    deinit { archive_read_free(archive) }

    /// Moves to the next member.
    /// - Returns: nil at the end
    /// - Throws: `RejectionError` if the archive is damaged, and errors thrown by the source
    func next() throws -> Member? {
        var entry: OpaquePointer?
        var attempts = 0
        while true {
            let status = names.use { archive_read_next_header(archive, &entry) }
            switch status {
            case ARCHIVE_EOF:
                if let error = input.error { throw error }
                return nil
            case ARCHIVE_OK, ARCHIVE_WARN: if let entry { return member(entry) }
            case ARCHIVE_RETRY where attempts < 16: attempts += 1
            default: throw failure
            }
        }
    }

    /// Reads the next bytes of the current member; zero at its end.
    /// - Throws: `Damage`, and errors thrown by the source
    func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        let count = archive_read_data(archive, buffer.baseAddress, buffer.count)
        guard count >= 0 else { throw damage(Int32(count)) }
        return count
    }

    /// Returns the next bytes of the contents of a compressed file, which are valid until the next call; nil at the end.
    /// They are all that has been decompressed so far.
    /// - Throws: `Damage`, and errors thrown by the source
    func nextBlock() throws -> UnsafeRawBufferPointer? {
        var (start, count, offset): (UnsafeRawPointer?, Int, la_int64_t) = (nil, 0, 0)
        switch archive_read_data_block(archive, &start, &count, &offset) {
        case ARCHIVE_OK: return UnsafeRawBufferPointer(start: start, count: count)
        case ARCHIVE_EOF:
            if let error = input.error { throw error }
            return nil
        case let status: throw damage(status)
        }
    }

    /// Calls `take` with each piece of the current member.
    func forEachPiece(_ take: (UnsafeRawBufferPointer) throws -> Void) throws {
        let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: Input.pieceBytes, alignment: 16)
        defer { piece.deallocate() }
        while case let count = try read(into: piece), count > 0 {
            try take(UnsafeRawBufferPointer(rebasing: piece[..<count]))
        }
    }

    /// Number of bytes of the source that have been used.
    var usedBytes: Int { Int(archive_filter_bytes(archive, -1)) }

    private func member(_ entry: OpaquePointer) -> Member {
        let name = archive_entry_pathname(entry).map {
            RawPath.text(UnsafeBufferPointer(start: $0, count: strlen($0)).map { UInt8(bitPattern: $0) })
        }
        let kind: Member.Kind
        switch archive_entry_filetype(entry) {
        // Zero: the zip archive was written without file types.
        case FileType.regular, 0: kind = archive_entry_hardlink(entry) == nil ? .file : .link
        case FileType.folder: kind = .folder
        case FileType.link: kind = .link
        default: kind = .special
        }
        return Member(name: name ?? "", kind: kind, obstacle: kind == .file ? obstacle(entry) : nil)
    }

    private func obstacle(_ entry: OpaquePointer) -> String? {
        if archive_entry_is_encrypted(entry) != 0 { return "is encrypted: pack it again without a password" }
        if archive_entry_sparse_count(entry) > 0 { return "is a sparse file, which text never is" }
        guard packing == .zip, let format = archive_format_name(archive) else { return nil }
        // Such as `ZIP 2.0 (deflation)`. Other methods can use unlimited memory: the member determines the amount.
        let text = String(cString: format)
        guard let method = text.split(separator: "(").last?.dropLast(),
            !["uncompressed", "deflation", "bzip", "zstd"].contains(method)
        else { return nil }
        return "is compressed with an unsupported method (\(method)): pack it again with zip"
    }

    /// Explains why the current member cannot be read: its data is invalid, or the checksum at its end does not match.
    private func damage(_ status: Int32) -> any Error {
        input.error ?? Damage(reason: "is damaged" + message, isFatal: status == ARCHIVE_FATAL)
    }

    /// Explains why the archive cannot be read.
    private var failure: any Error {
        if let error = input.error { return error }
        // Before a format has been recognized, libarchive would follow an invalid pointer.
        if archive_format(archive) != 0, archive_read_has_encrypted_entries(archive) > 0 {
            return RejectionError("is encrypted (\(packing.name)): pack it again without a password")
        }
        return RejectionError("is a damaged or truncated \(packing.name) file" + message)
    }

    private var message: String {
        archive_error_string(archive).map { ": " + String(cString: $0).bounded(toBytes: 150) } ?? ""
    }
}

/// `AE_IFREG` and others, which Swift does not import because they are macros with casts.
private enum FileType {
    static let regular: mode_t = 0o100_000
    static let folder: mode_t = 0o040_000
    static let link: mode_t = 0o120_000
}

/// Passes the bytes of a source to libarchive.
private final class Input {
    static let pieceBytes = 64 << 10

    private let source: any ByteSource
    private let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: Input.pieceBytes, alignment: 16)
    /// The error that the source threw.
    private(set) var error: (any Error)?

    init(_ source: any ByteSource) { self.source = source }

    deinit { piece.deallocate() }

    func connect(to archive: OpaquePointer) {
        archive_read_set_callback_data(archive, Unmanaged.passUnretained(self).toOpaque())
        archive_read_set_read_callback(archive) { _, input, bytes in
            Unmanaged<Input>.fromOpaque(input!).takeUnretainedValue().read(bytes!)
        }
        guard source.seekableBytes != nil else { return }
        archive_read_set_skip_callback(archive) { _, input, count in
            Unmanaged<Input>.fromOpaque(input!).takeUnretainedValue().skip(Int(count))
        }
        archive_read_set_seek_callback(archive) { _, input, offset, origin in
            Unmanaged<Input>.fromOpaque(input!).takeUnretainedValue().seek(Int(offset), origin)
        }
    }

    private func read(_ bytes: UnsafeMutablePointer<UnsafeRawPointer?>) -> Int {
        bytes.pointee = UnsafeRawPointer(piece.baseAddress)
        do {
            return try source.read(into: piece)
        } catch {
            self.error = error
            return Int(ARCHIVE_FATAL)
        }
    }

    private func skip(_ count: Int) -> Int64 {
        guard let end = source.seekableBytes, count > 0, source.position < end else { return 0 }
        let skipped = min(count, end - source.position)
        source.position += skipped
        return Int64(skipped)
    }

    private func seek(_ offset: Int, _ origin: Int32) -> Int64 {
        guard let end = source.seekableBytes else { return Int64(ARCHIVE_FATAL) }
        let base = origin == SEEK_SET ? 0 : origin == SEEK_CUR ? source.position : end
        let (position, overflow) = base.addingReportingOverflow(offset)
        guard !overflow, position >= 0 else { return Int64(ARCHIVE_FATAL) }
        source.position = min(position, end)
        return Int64(source.position)
    }
}

/// The locale in which libarchive converts names. In the C locale, which is the default of a program, it would replace
/// every character outside ASCII.
private struct NameLocale: ~Copyable {
    private let utf8 = newlocale(1 << LC_CTYPE, "C.UTF-8", nil)

    func use<Result>(_ body: () -> Result) -> Result {
        guard let utf8 else { return body() }
        let previous = uselocale(utf8)
        defer { uselocale(previous) }
        return body()
    }

    deinit { if let utf8 { freelocale(utf8) } }
}
