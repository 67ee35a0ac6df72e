import CZlib
import CZstd
import Durable
import Glibc

/// Reads a file a piece at a time, expanded where it is compressed. Memory does not grow with the file.
struct Expansion {
    let descriptor: Int32
    /// Of the file as it lies there.
    let bytes: Int
    let options: ReadingOptions
    let interruption: Interruption

    /// What is read or expanded at a time, and so between two looks at whether to go on.
    static let pieceBytes = 64 << 10
    /// The largest window of zstd: what it takes at most without being told. So much memory one file may need.
    static let zstdWindowBits: Int32 = 27

    /// Calls `take` with each piece of the text.
    /// - Throws: `Unusable` for what is damaged, cut off or too large; what `take` throws
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
        case .zip: preconditionFailure("an archive has members: see ZipArchive")
        }
    }

    private func raw(_ take: (UnsafeRawBufferPointer) throws -> Void) throws {
        let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: Expansion.pieceBytes, alignment: 16)
        defer { piece.deallocate() }
        var bytesRead = 0
        while true {
            try interruption.check()
            let count = retrying { read(descriptor, piece.baseAddress, piece.count) }
            guard count >= 0 else { throw Unusable("cannot be read: \(String(cString: strerror(errno)))") }
            if count == 0 { return }
            // It may be growing while it is read.
            bytesRead += count
            guard bytesRead <= options.maxFileBytes else { throw options.tooLarge(atLeast: bytesRead) }
            try take(UnsafeRawBufferPointer(rebasing: piece[..<count]))
        }
    }

    /// One gzip member or several, one behind the other; zeros may fill up the end.
    private func gzip(_ take: (UnsafeRawBufferPointer) throws -> Void) throws {
        var stream = z_stream()
        let gzipOnly: Int32 = 16 + MAX_WBITS
        guard inflateInit2_(&stream, gzipOnly, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
            throw Unusable("cannot be expanded: zlib has no memory")
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
                    guard inflateReset(&stream) == Z_OK else { throw Unusable("cannot be expanded: zlib failed") }
                case Z_OK: if stream.avail_in == 0, stream.avail_out > 0 { return }
                case Z_BUF_ERROR: return
                default:
                    let message = stream.msg.map { String(cString: $0) } ?? "error \(status)"
                    throw Unusable("is not whole gzip data: \(message)")
                }
            }
        }
        guard hasMember || isInside else { throw Unusable("is empty") }
        guard !isInside else { throw Unusable("is gzip data that is cut off") }
    }

    private func zstd(_ take: (UnsafeRawBufferPointer) throws -> Void) throws {
        guard let stream = ZSTD_createDStream() else { throw Unusable("cannot be expanded: zstd has no memory") }
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
                    throw Unusable("is not whole zstd data: \(String(cString: ZSTD_getErrorName(rest)))")
                }
                if buffer.pos > 0 { try take(UnsafeRawBufferPointer(rebasing: output[..<buffer.pos])) }
                isFull = buffer.pos == buffer.size
            }
        }
        guard !isEmpty else { throw Unusable("is empty") }
        guard rest == 0 else { throw Unusable("is zstd data that is cut off") }
    }
}

extension z_stream {
    fileprivate mutating func skipInput() {
        next_in += 1
        avail_in -= 1
    }
}

/// Keeps what is small from becoming large without end.
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
            throw Unusable("expands to more than inbox.max_expanded_bytes, which is \(options.maxExpandedBytes)")
        }
        let (most, overflow) = max(bytes, 1).multipliedReportingOverflow(by: options.maxExpansionRatio)
        guard expanded <= ReadingOptions.ratioFreeBytes || overflow || expanded <= most else {
            throw Unusable(
                "expands to more than inbox.max_expansion_ratio = \(options.maxExpansionRatio) times its size")
        }
    }
}

/// Whether reading is to end. One is handed from the outside to every loop whose length a file decides.
struct Interruption: Sendable {
    let isCancelled: @Sendable () -> Bool

    /// - Throws: `ReadingInterrupted`
    func check() throws {
        if isCancelled() { throw ReadingInterrupted() }
    }
}
