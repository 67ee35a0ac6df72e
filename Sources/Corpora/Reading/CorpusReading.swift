import Crypto
import Digests

/// Reads one file for the store: decompresses and inspects it, repairs its UTF-8, and splits structured files into
/// records.
package struct CorpusReading {
    package private(set) var bytes = 0
    package private(set) var documents = 0
    package private(set) var replacedBytes = 0
    package private(set) var isStructured = false
    private var hash = SHA256()
    private let options: ReadingOptions
    private let interruption: Interruption
    private let write: (UnsafeRawBufferPointer) throws -> Void

    /// - Parameters:
    ///   - isCancelled: polled before each block that is read, decompressed or converted
    ///   - write: receives the bytes to store
    package init(
        options: ReadingOptions, isCancelled: @escaping @Sendable () -> Bool = { false },
        write: @escaping (UnsafeRawBufferPointer) throws -> Void
    ) {
        self.options = options
        interruption = Interruption(isCancelled: isCancelled)
        self.write = write
    }

    var sha256: String { hash.finalize().hexadecimal }

    /// - Throws: `RejectionError`, `ReadingInterrupted`, and errors thrown by `write`
    package mutating func read(name: String, descriptor: Int32, bytes size: Int) throws {
        guard size <= options.maxFileBytes else { throw options.tooLarge(atLeast: size) }
        let (compression, expandedName) = Compression.of(name: name)
        guard compression == .zip else {
            let format = options.format ?? TextFormat(name: expandedName)
            isStructured = format.isStructured
            let expansion = Expansion(
                descriptor: descriptor, bytes: size, options: options, interruption: interruption)
            return try readDocument(format) { try expansion.forEachPiece(compression, $0) }
        }
        let archive = try ZipArchive(descriptor: descriptor, bytes: size, interruption: interruption)
        let members = archive.members.map { ($0, options.format ?? TextFormat(name: $0.name)) }
        guard let first = members.first else { throw RejectionError("contains no files") }
        isStructured = first.1.isStructured
        guard members.allSatisfy({ $0.1.isStructured == isStructured }) else {
            throw RejectionError("contains both tables and plain text: put them into separate archives")
        }
        var limit = ExpansionLimit(bytes: size, options: options)
        for (index, (member, format)) in members.enumerated() {
            do {
                // Separate texts by a blank line.
                if index > 0, !isStructured { try store(Array("\n\n".utf8)) }
                try readDocument(format) { take in
                    try archive.forEachPiece(of: member) { piece in
                        try limit.add(piece.count)
                        try take(piece)
                    }
                }
            } catch let error as RejectionError where members.count > 1 {
                throw RejectionError("member ‘\(member.shownName)’: \(error.reason)")
            }
        }
    }

    /// Reads one document, which may be split into pieces at any byte.
    /// - Parameter forEachPiece: calls its argument with each piece
    package mutating func readDocument(
        _ format: TextFormat, _ forEachPiece: ((UnsafeRawBufferPointer) throws -> Void) throws -> Void
    ) throws {
        var reader = makeReader(format)
        var inspection = TextInspection()
        var repair = UTF8Repair()
        var mark = format.isStructured ? ByteOrderMark() : nil
        var (text, output): ([UInt8], [UInt8]) = ([], [])
        try forEachPiece { piece in
            try interruption.check()
            inspection.append(piece)
            if let reason = inspection.binaryReason { throw RejectionError(reason) }
            text.removeAll(keepingCapacity: true)
            output.removeAll(keepingCapacity: true)
            repair.append(piece, to: &text)
            mark?.strip(&text)
            try reader.append(text, to: &output)
            try store(output)
        }
        if let reason = inspection.emptyReason { throw RejectionError(reason) }
        text.removeAll(keepingCapacity: true)
        output.removeAll(keepingCapacity: true)
        repair.finish(to: &text)
        if let reason = inspection.encodingReason(replacedBytes: repair.replacedBytes) { throw RejectionError(reason) }
        mark?.strip(&text)
        try reader.append(text, to: &output)
        try reader.finish(to: &output)
        try store(output)
        documents += reader.documents
        replacedBytes += repair.replacedBytes
    }

    private func makeReader(_ format: TextFormat) -> any RecordReader {
        let limit = options.maxRecordBytes
        return switch format {
        case .text: PlainText()
        case .csv, .tsv:
            DelimitedText(
                delimiter: options.delimiter ?? UInt8(ascii: format == .tsv ? "\t" : ","), column: options.textColumn,
                limit: limit)
        case .jsonl: JSONLines(field: options.textColumn, limit: limit)
        }
    }

    private mutating func store(_ output: [UInt8]) throws {
        guard !output.isEmpty else { return }
        hash.update(data: output)
        bytes += output.count
        try output.withUnsafeBytes(write)
    }
}

/// Strips a UTF-8 byte order mark. The input consists of whole characters, so the mark is never split.
private struct ByteOrderMark {
    private var isOver = false

    mutating func strip(_ text: inout [UInt8]) {
        guard !isOver, !text.isEmpty else { return }
        isOver = true
        if text.starts(with: [0xEF, 0xBB, 0xBF]) { text.removeFirst(3) }
    }
}
