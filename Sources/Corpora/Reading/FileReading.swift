import Crypto
import Digests
import Durable
import Glibc
import TextReading
import UTF8Sequences

/// A file that a text is written to.
protocol TextFile: AnyObject {
    func append(_ bytes: UnsafeRawBufferPointer) throws(DurableError)
}

extension AtomicFile: TextFile {}
extension UnnamedFile: TextFile {}

/// A file that has to be read by a process of its own was left unread, because `FileReading.isOver` when its turn came.
struct ReadingLeft: Error {}

/// Reads one opened file of the inbox into a file in the store: in this process if it is plain UTF-8, otherwise in a
/// process of its own.
struct FileReading<Copy: TextFile> {
    let directory: String
    let options: ReadingOptions
    /// Nil if only plain UTF-8 can be read.
    let reader: ReaderProcess?
    let room: DiskRoom
    /// Called when the reader is free.
    let isOver: @Sendable () -> Bool
    let isCancelled: @Sendable () -> Bool
    /// Creates the file in `directory` that the text is written to.
    let makeCopy: (_ directory: String) throws(DurableError) -> Copy

    /// The text, not yet published, and what was found.
    struct Outcome {
        let copy: Copy
        let sha256: String
        let report: ReadingReport
    }

    /// - Throws: `RejectionError`, `ReadingInterrupted`, `ReadingLeft`, `DurableError`
    func read(_ descriptor: Int32, name: String, bytes: Int) throws -> Outcome {
        do {
            let copy = try makeCopy(directory)
            var reading = CorpusReading(
                options: options, isCancelled: isCancelled,
                makeSpool: { FileSpool(try UnnamedFile(in: directory), room) }
            ) { piece in
                try room.take(piece.count)
                try copy.append(piece)
            }
            try reading.readPlain(name: name, descriptor: descriptor, bytes: bytes)
            return Outcome(copy: copy, sha256: reading.sha256, report: reading.report)
        } catch is NotPlainText {
            return try readSeparately(descriptor, name: name, bytes: bytes)
        }
    }

    private func readSeparately(_ descriptor: Int32, name: String, bytes: Int) throws -> Outcome {
        guard let reader else { throw RejectionError("is not plain UTF-8") }
        return try reader.taking {
            if isOver() { throw ReadingLeft() }
            return try readSeparately(descriptor, name: name, bytes: bytes, by: reader)
        }
    }

    private func readSeparately(_ descriptor: Int32, name: String, bytes: Int, by reader: ReaderProcess) throws
        -> Outcome
    {
        let copy = try makeCopy(directory)
        let scratch = try UnnamedFile(in: directory)
        var hash = SHA256()
        var check = PlainTextCheck(isOutput: true)
        var written = 0
        let report = try scratch.withDescriptor { scratch in
            try reader.read(
                descriptor, name: name, bytes: bytes, options: options, scratch: scratch,
                check: {
                    if isCancelled() { throw ReadingInterrupted() }
                    try room.check()
                }
            ) { piece in
                // The process may have been compromised by the file that it reads.
                guard check.append(piece) else { throw RejectionError("cannot be read: its reader wrote invalid text") }
                written += piece.count
                // Decoding can double the size.
                guard written / 2 <= options.maxExpandedBytes else {
                    throw RejectionError(
                        "expands to more than \(options.maxExpandedBytes) bytes, the limit set by inbox.max_expanded_bytes"
                    )
                }
                try room.take(piece.count)
                hash.update(bufferPointer: piece)
                try copy.append(piece)
            }
        }
        guard check.finish(), written == report.bytes else {
            throw RejectionError("cannot be read: its reader wrote invalid text")
        }
        return Outcome(copy: copy, sha256: hash.finalize().hexadecimal, report: report.bounded)
    }
}

/// Keeps text in a file without a name.
private final class FileSpool: TextSpool {
    private let file: UnnamedFile
    private let room: DiskRoom

    init(_ file: UnnamedFile, _ room: DiskRoom) {
        self.file = file
        self.room = room
    }

    func append(_ bytes: UnsafeRawBufferPointer) throws {
        try room.take(bytes.count)
        try file.append(bytes)
    }

    func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws {
        try file.read(at: offset, into: buffer)
    }
}
