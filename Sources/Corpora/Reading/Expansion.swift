import CZlib
import CZstd
import Durable
import Glibc

/// Reads a file in pieces, decompressing it if necessary, in constant memory.
struct Expansion {
    let descriptor: Int32
    /// Size of the file on disk.
    let bytes: Int
    let options: ReadingOptions
    let interruption: Interruption

    /// Number of bytes read or decompressed between two checks for cancellation.
    static let pieceBytes = 64 << 10
    /// Base-2 logarithm of the largest accepted zstd window, which is the default limit of zstd. Bounds the memory used
    /// for one file.
    static let zstdWindowBits: Int32 = 27

    /// Calls `take` with each piece of the decompressed contents.
    /// - Throws: `RejectionError` if the file is damaged, truncated or too large; errors thrown by `take`
    func forEachPiece(_ compression: Compression, _ take: (UnsafeRawBufferPointer) throws -> Void) throws {
        var limit = ExpansionLimit(bytes: bytes, options: options)
        let limited: (UnsafeRawBufferPointer) throws -> Void = { piece in
            try limit.add(piece.count)
            try take(piece)
        }
        switch compression {
        case .none: try raw(take)
        case .gzip: try gzip(limited)
        case .zstd: try zstd(limited)
        case .zip: preconditionFailure("zip archives are read with ZipArchive")
        }
    }

    private func raw(_ take: (UnsafeRawBufferPointer) throws -> Void) throws {
        let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: Expansion.pieceBytes, alignment: 16)
        defer { piece.deallocate() }
        var bytesRead = 0
        while true {
            try interruption.check()
            let count = retrying { read(descriptor, piece.baseAddress, piece.count) }
            guard count >= 0 else { throw RejectionError("cannot be read: \(String(cString: strerror(errno)))") }
            if count == 0 { return }
            // The file may grow while it is read.
            bytesRead += count
            guard bytesRead <= options.maxFileBytes else { throw options.tooLarge(atLeast: bytesRead) }
            try take(UnsafeRawBufferPointer(rebasing: piece[..<count]))
        }
    }

    /// Decompresses one or more concatenated gzip members. Trailing zeros are ignored.
    private func gzip(_ take: (UnsafeRawBufferPointer) throws -> Void) throws {
        var stream = z_stream()
        let gzipOnly: Int32 = 16 + MAX_WBITS
        guard inflateInit2_(&stream, gzipOnly, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
            throw RejectionError("cannot be decompressed: zlib ran out of memory")
        }
        defer { inflateEnd(&stream) }
        let output = UnsafeMutableRawBufferPointer.allocate(byteCount: Expansion.pieceBytes, alignment: 16)
        defer { output.deallocate() }
        var (isInside, hasMember) = (false, false)
        try raw { piece in
            stream.next_in = UnsafeMutablePointer(
                mutating: piece.baseAddress!.assumingMemoryBound(to: Bytef.self))
            stream.avail_in = uInt(piece.count)
            while true {
                if !isInside {
                    if hasMember { while stream.avail_in > 0, stream.next_in.pointee == 0 { stream.skipInput() } }
                    guard stream.avail_in > 0 else { return }
                    isInside = true
                }
                stream.next_out = output.baseAddress!.assumingMemoryBound(to: Bytef.self)
                stream.avail_out = uInt(output.count)
                let status = inflate(&stream, Z_NO_FLUSH)
                try interruption.check()
                let count = output.count - Int(stream.avail_out)
                if count > 0 { try take(UnsafeRawBufferPointer(rebasing: output[..<count])) }
                switch status {
                case Z_STREAM_END:
                    (isInside, hasMember) = (false, true)
                    guard inflateReset(&stream) == Z_OK else {
                        throw RejectionError("cannot be decompressed: zlib failed")
                    }
                case Z_OK: if stream.avail_in == 0, stream.avail_out > 0 { return }
                case Z_BUF_ERROR: return
                default:
                    let message = stream.msg.map { String(cString: $0) } ?? "error \(status)"
                    throw RejectionError("is not valid gzip data: \(message)")
                }
            }
        }
        guard hasMember || isInside else { throw RejectionError("is empty") }
        guard !isInside else { throw RejectionError("is truncated gzip data") }
    }

    private func zstd(_ take: (UnsafeRawBufferPointer) throws -> Void) throws {
        guard let stream = ZSTD_createDStream() else {
            throw RejectionError("cannot be decompressed: zstd ran out of memory")
        }
        defer { ZSTD_freeDStream(stream) }
        ZSTD_DCtx_setParameter(stream, ZSTD_d_windowLogMax, Expansion.zstdWindowBits)
        let output = UnsafeMutableRawBufferPointer.allocate(byteCount: Expansion.pieceBytes, alignment: 16)
        defer { output.deallocate() }
        var rest = 1
        var isEmpty = true
        try raw { piece in
            isEmpty = false
            var input = ZSTD_inBuffer(src: piece.baseAddress, size: piece.count, pos: 0)
            var isFull = false
            while input.pos < input.size || isFull {
                var buffer = ZSTD_outBuffer(dst: output.baseAddress, size: output.count, pos: 0)
                rest = ZSTD_decompressStream(stream, &buffer, &input)
                try interruption.check()
                guard ZSTD_isError(rest) == 0 else {
                    throw RejectionError("is not valid zstd data: \(String(cString: ZSTD_getErrorName(rest)))")
                }
                if buffer.pos > 0 { try take(UnsafeRawBufferPointer(rebasing: output[..<buffer.pos])) }
                isFull = buffer.pos == buffer.size
            }
        }
        guard !isEmpty else { throw RejectionError("is empty") }
        guard rest == 0 else { throw RejectionError("is truncated zstd data") }
    }
}

extension z_stream {
    fileprivate mutating func skipInput() {
        next_in += 1
        avail_in -= 1
    }
}

/// Limits the decompressed size of a file, as a protection against decompression bombs.
struct ExpansionLimit {
    private let bytes: Int
    private let options: ReadingOptions
    private var expanded = 0

    init(bytes: Int, options: ReadingOptions) {
        self.bytes = bytes
        self.options = options
    }

    mutating func add(_ count: Int) throws {
        expanded += count
        guard expanded <= options.maxExpandedBytes else {
            throw RejectionError(
                "expands to more than \(options.maxExpandedBytes) bytes, the limit set by inbox.max_expanded_bytes")
        }
        let (most, overflow) = max(bytes, 1).multipliedReportingOverflow(by: options.maxExpansionRatio)
        guard expanded <= ReadingOptions.ratioFreeBytes || overflow || expanded <= most else {
            throw RejectionError(
                "expands to more than \(options.maxExpansionRatio) times its size, the limit set by "
                    + "inbox.max_expansion_ratio")
        }
    }
}

/// A cancellation check. Passed to every loop whose length depends on the contents of a file.
struct Interruption: Sendable {
    let isCancelled: @Sendable () -> Bool

    /// - Throws: `ReadingInterrupted`
    func check() throws {
        if isCancelled() { throw ReadingInterrupted() }
    }
}
