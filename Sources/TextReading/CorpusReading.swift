import Crypto
import Digests

/// Converts the documents of one file to the text that is stored: normalizes line ends and splits structured documents
/// into records. Its input is UTF-8; other encodings and formats are converted to it before.
package struct CorpusReading {
    package private(set) var report = ReadingReport()
    private var hash = SHA256()
    let options: ReadingOptions
    private let interruption: Interruption
    private let makeSpool: () throws -> any TextSpool
    private let write: (UnsafeRawBufferPointer) throws -> Void

    /// - Parameters:
    ///   - isCancelled: polled before each block that is read or converted
    ///   - makeSpool: returns disk space for the texts of a table whose rows are put together; nil keeps them in memory
    ///   - write: receives the bytes to store
    package init(
        options: ReadingOptions, isCancelled: @escaping @Sendable () -> Bool = { false },
        makeSpool: (() throws -> any TextSpool)? = nil,
        write: @escaping (UnsafeRawBufferPointer) throws -> Void
    ) {
        self.options = options
        self.makeSpool = makeSpool ?? { MemorySpool() }
        interruption = Interruption(isCancelled: isCancelled)
        self.write = write
    }

    package var sha256: String { hash.finalize().hexadecimal }

    /// Reads one document, which may be split into pieces at any byte. Plain text is separated from the document before
    /// by a blank line.
    /// - Parameter forEachPiece: calls its argument with each piece of UTF-8
    /// - Throws: `RejectionError`, `ReadingInterrupted`, and errors thrown by `forEachPiece`, by `write` and by the spool
    package mutating func readDocument(
        _ format: TextFormat, _ forEachPiece: ((UnsafeRawBufferPointer) throws -> Void) throws -> Void
    ) throws {
        if !format.isStructured, report.bytes > 0 { try store(Array("\n\n".utf8)) }
        var reader = makeReader(format)
        var inspection = TextInspection()
        var lineEnds = LineEnds(keepsReturns: format.isStructured)
        var (text, output): ([UInt8], [UInt8]) = ([], [])
        try forEachPiece { piece in
            try interruption.check()
            try inspection.append(piece)
            text.removeAll(keepingCapacity: true)
            output.removeAll(keepingCapacity: true)
            lineEnds.append(piece, to: &text)
            try reader.append(text, to: &output)
            try store(output)
        }
        try inspection.finish()
        text.removeAll(keepingCapacity: true)
        output.removeAll(keepingCapacity: true)
        lineEnds.finish(to: &text)
        try reader.append(text, to: &output)
        try reader.finish(to: &output)
        try store(output)
        output.removeAll(keepingCapacity: true)
        while try reader.proceed(to: &output) {
            try interruption.check()
            try store(output)
            output.removeAll(keepingCapacity: true)
        }
        try store(output)
        report.documents += reader.documents
        report.isStructured = format.isStructured
        report.format = reader.formatDescription
        reader.warnings.forEach { report.warn($0) }
    }

    /// Appends the text of one member of an archive, which another reading has converted. Its warnings are left to the
    /// caller.
    package mutating func append(
        _ member: ReadingReport, _ forEachPiece: ((UnsafeRawBufferPointer) throws -> Void) throws -> Void
    ) throws {
        if !member.isStructured, report.bytes > 0 { try store(Array("\n\n".utf8)) }
        try forEachPiece { piece in
            hash.update(bufferPointer: piece)
            report.bytes += piece.count
            try write(piece)
        }
        report.documents += member.documents
        report.replacedBytes += member.replacedBytes
        report.isStructured = member.isStructured
    }

    /// Adds a warning about the file.
    package mutating func warn(_ sentence: String) { report.warn(sentence) }

    /// Sets the facts that the caller determined before the text reached this reading.
    package mutating func describe(format: String? = nil, encoding: String? = nil) {
        if let format { report.format = format }
        if let encoding, encoding != "UTF-8" { report.encoding = encoding }
    }

    /// Accounts for bytes that were replaced because they could not be decoded.
    package mutating func countReplaced(_ bytes: Int) { report.replacedBytes += bytes }

    private func makeReader(_ format: TextFormat) -> any RecordReader {
        switch format {
        case .text, .mail: PlainText()
        case .csv, .tsv:
            DelimitedText(
                delimiter: UInt8(ascii: format == .tsv ? "\t" : ","), options: options, makeSpool: makeSpool)
        case .jsonl, .json:
            JSONRecords(options: options, prefersLines: format == .jsonl)
        }
    }

    private mutating func store(_ output: [UInt8]) throws {
        guard !output.isEmpty else { return }
        hash.update(data: output)
        report.bytes += output.count
        try output.withUnsafeBytes(write)
    }
}

/// Removes a byte order mark and, unless line breaks can be part of a field, converts `\r\n` and `\r` to `\n`, so that
/// the same text has the same SHA-256 whatever system it comes from.
struct LineEnds {
    private let keepsReturns: Bool
    private var isAfterReturn = false
    /// The first bytes, until it is known whether they are a byte order mark.
    private var head: [UInt8]? = []
    private static let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]

    init(keepsReturns: Bool) { self.keepsReturns = keepsReturns }

    mutating func append(_ piece: UnsafeRawBufferPointer, to output: inout [UInt8]) {
        guard var begin = head else { return convert(piece, &output) }
        begin.append(contentsOf: piece)
        guard begin.count >= 3 || !Self.byteOrderMark.starts(with: begin) else {
            head = begin
            return
        }
        head = nil
        if begin.starts(with: Self.byteOrderMark) { begin.removeFirst(3) }
        begin.withUnsafeBytes { convert($0, &output) }
    }

    mutating func finish(to output: inout [UInt8]) {
        if let head { head.withUnsafeBytes { convert($0, &output) } }
        head = nil
    }

    private mutating func convert(_ piece: UnsafeRawBufferPointer, _ output: inout [UInt8]) {
        let carriageReturn = UInt8(ascii: "\r")
        guard !keepsReturns, isAfterReturn || piece.contains(carriageReturn) else {
            return output.append(contentsOf: piece)
        }
        for byte in piece {
            switch byte {
            case carriageReturn: output.append(UInt8(ascii: "\n"))
            case UInt8(ascii: "\n"): if !isAfterReturn { output.append(byte) }
            default: output.append(byte)
            }
            isAfterReturn = byte == carriageReturn
        }
    }
}
