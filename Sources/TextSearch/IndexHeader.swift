import Glibc

/// The trailer and the directory of an index file, checked.
struct IndexHeader {
    let textBytes: Int
    let tokens: Int
    let lines: Int
    let lineTable: Int
    let blocks: [BlockRecord]

    init(_ file: UnsafeRawBufferPointer, path: String, sha256: String, textBytes: Int) throws(IndexError) {
        func unusable(_ reason: String) -> IndexError { .unusable(index: path, reason: reason) }
        guard file.count >= IndexFormat.trailer else {
            throw unusable("expected at least \(IndexFormat.trailer) bytes, found \(file.count)")
        }
        let trailer = UnsafeRawBufferPointer(rebasing: file[(file.count - IndexFormat.trailer)...])
        let numbers = IndexFields(trailer)
        guard numbers[0] == IndexFormat.magic else { throw unusable("it does not end like an index") }
        guard numbers[1] == IndexFormat.version else {
            throw unusable("expected version \(IndexFormat.version), found \(numbers[1])")
        }
        guard numbers[16] == Checksum.of(UnsafeRawBufferPointer(rebasing: trailer[..<(16 * 8)])) else {
            throw unusable("its trailer is damaged")
        }
        guard numbers[2] == CharacterClass.fingerprint else {
            throw unusable("it was built with another version of Unicode")
        }
        let recorded = numbers.digest(at: 3)
        guard recorded == sha256 else {
            throw .foreign(index: path, reason: "expected SHA-256 \(sha256), found \(recorded)")
        }
        guard numbers[7] == UInt64(textBytes) else {
            throw .foreign(index: path, reason: "expected a text of \(numbers[7]) bytes, found \(textBytes)")
        }
        guard numbers[8] == UInt64(file.count) else {
            throw unusable("expected \(numbers[8]) bytes, found \(file.count)")
        }
        let (count, directory, lineTable) = (
            Int(clamping: numbers[11]), Int(clamping: numbers[12]), Int(clamping: numbers[13])
        )
        let end = file.count - IndexFormat.trailer
        guard count <= end / IndexFormat.directoryRecord, directory == end - count * IndexFormat.directoryRecord else {
            throw unusable("its directory is not where expected")
        }
        let records = UnsafeRawBufferPointer(rebasing: file[directory..<end])
        guard numbers[14] == Checksum.of(records) else { throw unusable("its directory is damaged") }
        let chunks = (textBytes + IndexFormat.linesChunk - 1) / IndexFormat.linesChunk
        guard Self.fits(lineTable, count: chunks, size: 8, before: directory) else {
            throw unusable("its line table is not within the file")
        }
        let fields = IndexFields(records)
        var blocks: [BlockRecord] = []
        var (position, tokens) = (0, 0)
        for number in 0..<count {
            let values = (0..<9).map { Int(clamping: fields[number * 9 + $0]) }
            let block = BlockRecord(values)
            guard block.textStart >= position, block.textEnd > block.textStart, block.textEnd <= textBytes,
                block.textEnd - block.textStart <= Int(UInt32.max),
                block.tokens > 0, block.tokens <= IndexParameters.maximumBlockTokens,
                block.words > 0, block.words <= block.tokens + IndexFormat.overlap,
                Self.fits(block.entries, count: block.tokens, size: 4, before: directory),
                Self.fits(block.wordStarts, count: block.words + 1, size: 4, before: directory),
                Self.fits(block.wordEnds, count: block.words + 1, size: 4, before: directory),
                Self.fits(block.wordBytes, count: block.wordBytesCount, size: 1, before: directory)
            else { throw unusable("block \(number) is not within the files") }
            (position, tokens) = (block.textEnd, tokens + block.tokens)
            blocks.append(block)
        }
        guard numbers[9] == UInt64(tokens) else { throw unusable("expected \(numbers[9]) tokens, found \(tokens)") }
        self.textBytes = textBytes
        self.tokens = tokens
        lines = Int(clamping: numbers[10])
        self.lineTable = lineTable
        self.blocks = blocks
    }

    private static func fits(_ offset: Int, count: Int, size: Int, before end: Int) -> Bool {
        offset >= 0 && offset <= end && count <= (end - offset) / size
    }
}

/// Numbers of the trailer and the directory.
struct IndexFields {
    private let bytes: UnsafeRawBufferPointer

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    subscript(index: Int) -> UInt64 {
        precondition(index >= 0 && index < bytes.count / 8)
        return UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 8 * index, as: UInt64.self))
    }

    /// Returns a digest of 32 bytes in hexadecimal.
    func digest(at index: Int) -> String {
        precondition(index >= 0 && index + 4 <= bytes.count / 8)
        return bytes[(8 * index)..<(8 * index + 32)].map { byte in
            String(byte >> 4, radix: 16) + String(byte & 15, radix: 16)
        }.joined()
    }
}
