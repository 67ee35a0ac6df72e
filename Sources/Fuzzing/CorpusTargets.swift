import Corpora
import FoundationEssentials
import Glibc
import Settings
import TextReading

/// Targets for files in the inbox.
extension FuzzTarget {
    /// The first byte is the size of the pieces in which the table arrives, the second the delimiter, or NUL to recognize
    /// it. The records must not depend on the pieces.
    static let csv = FuzzTarget(
        name: "csv",
        seeds: texts(
            "\u{3},id,text\r\n1,\"a \"\"b\"\"\r\nc\"\r\n\r\n2,d\n3", "\0;\u{FEFF}text;text\na;b\rc;\"\u{20AC}\"",
            "\u{40}\ttext\n\"\"\n", "\u{5}\0sep=;\nid;text\n1;\"a\\\"b\"\n2; \"c\"\n",
            "\u{7}\0id,text\n1,\"stray here\n2,more text\n3,\"more words\" end\n4,\"a\nb\"\n",
            "\u{1}\0first words, then more\nother words, then none\n")
    ) { input in
        // Only delimiters that a directory can configure.
        guard input.count >= 2, input[1] < 0x80, !"\"\r\n".utf8.contains(input[1]) else { return }
        var options = smallReading
        options.table.delimiter = input[1] == 0 ? nil : input[1]
        readAsOneAndInPieces(Array(input[2...]), .csv, options, pieces: Int(input[0]) + 1)
    }

    /// Tables of threads. The first byte is the size of the pieces in which the table arrives.
    static let threads = FuzzTarget(
        name: "threads",
        seeds: texts(
            "\u{3}tweet_id,author_id,inbound,text,in_response_to_tweet_id\n2,x,False,b,1\n1,y,True,a,\n3,x,False,c,1\n",
            "\u{7}text;tweet_id;in_response_to_tweet_id;inbound;author_id\na;1;2;1;x\nb;2.0;1;0;y\n\"c\nd\";2;9;f;z\n")
    ) { input in
        guard let first = input.first else { return }
        var options = smallReading
        options.table.hasThreads = true
        options.threadRows = 8
        readAsOneAndInPieces(Array(input[1...]), .csv, options, pieces: Int(first) + 1)
    }

    static let jsonLines = FuzzTarget(
        name: "jsonl",
        seeds: texts(
            "\u{5}{\"text\":\"a\\r\\nb\"}\n\n{\"id\":1}\n{\"text\":null}\r\n{\"text\":\"\\ud83d\\ude00\\u0000\",\"x\":[{}]}",
            "\0\u{FEFF}{\"text\":\"a\",\"text\":\"b\"}\n")
    ) { input in
        guard let first = input.first else { return }
        readAsOneAndInPieces(Array(input[1...]), .jsonl, smallReading, pieces: Int(first) + 1)
    }

    /// Arrays of objects or strings, and objects with an array. The first byte is the size of the pieces.
    static let jsonRecords = FuzzTarget(
        name: "jsonrecords",
        seeds: texts(
            "\u{5}[{\"text\":\"a\"},\n {\"text\":{\"text\":\"\\udead\"}}, NaN, -Infinity, {\"text\":\"b\",\"text\":null}]",
            "\0[\"a\", \"b\", \"\\u0000\", \"\", \"c\", \"d\"]",
            "\u{1}{\"info\": [1], \"data\": [\n{\"text\": \"a\"},\n{\"text\": \"b\"}]}\n",
            "\u{2}{\n\"text\": \"a\"\n}\n{\"text\": \"b\"}\n")
    ) { input in
        guard let first = input.first else { return }
        readAsOneAndInPieces(Array(input[1...]), .json, smallReading, pieces: Int(first) + 1)
    }

    /// `.kbconfig.yaml`, which group members can write, unlike the settings of the service.
    static let folderConfiguration = FuzzTarget(
        name: "kbconfig",
        seeds: texts(
            "format: csv\ntext_column: body\ndelimiter: \"\\t\"\nfilters: [lowercase, min_words]\nmin_words: 5\n",
            "filters: tweets\nkeep: \"a-z '\"\nmax_words: 1e3\n", "{format: text}")
    ) { input in
        inFolder(FolderConfiguration.fileName, input) { folder in
            let signature = FileSignature(path: "\(folder)/\(FolderConfiguration.fileName)")!
            let file = InboxFile(path: "\(folder)/a.txt", name: "a.txt", signature: signature)
            guard let found = try? FolderConfiguration(for: file, inbox: folder, defaults: smallReading) else { return }
            expect(
                found.reading.maxRecordBytes == smallReading.maxRecordBytes, "a directory has changed a limit")
        }
    }

    /// Limits small enough to be reached by inputs.
    static let smallReading: ReadingOptions = {
        var options = ReadingOptions()
        options.maxRecordBytes = 200
        options.maxExpandedBytes = 1 << 20
        options.sampleBytes = 64
        return options
    }()

    private static func readAsOneAndInPieces(
        _ bytes: [UInt8], _ format: TextFormat, _ options: ReadingOptions, pieces size: Int
    ) {
        // Documents reach the readers as valid UTF-8.
        let bytes = Array(String(decoding: bytes, as: UTF8.self).utf8)
        let whole = readingDocument(bytes, format, options, pieces: max(1, bytes.count))
        let pieces = readingDocument(bytes, format, options, pieces: size)
        switch (whole, pieces) {
        case (.success(let whole), .success(let pieces)):
            expect(whole == pieces, "\(whole) in one piece, \(pieces) in pieces of \(size)")
            check(whole)
        // If there are two reasons for rejection, the pieces determine which one is reported.
        case (.failure(let error), .failure): expect(!error.reason.text.isEmpty, "empty reason")
        default: fatalError("\(whole) in one piece, \(pieces) in pieces of \(size)")
        }
    }

    /// Checks that the stored text is valid and, for structured formats, has one record per line.
    static func check(_ text: ReadText) {
        expect(String(validating: text.bytes, as: UTF8.self) != nil, "the stored text is not valid UTF-8")
        expect(!text.bytes.contains(0), "the stored text contains NUL")
        guard text.isStructured else { return }
        let lines = text.bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        expect(lines.count == text.documents + 1, "\(text.documents) records in \(lines.count - 1) lines")
        expect(lines.last?.isEmpty == true, "the last line is not terminated")
        expect(!lines.dropLast().contains(where: \.isEmpty), "an empty record")
        expect(!text.bytes.contains(UInt8(ascii: "\r")), "a record with a line break")
    }

    private static func readingDocument(
        _ bytes: [UInt8], _ format: TextFormat, _ options: ReadingOptions, pieces size: Int
    ) -> Result<ReadText, RejectionError> {
        reading(options) { reading in
            try reading.readDocument(format) { take in
                for start in stride(from: 0, to: bytes.count, by: size) {
                    try bytes[start..<min(bytes.count, start + size)].withUnsafeBytes(take)
                }
            }
        }
    }

    private static func reading(
        _ options: ReadingOptions, _ read: (inout CorpusReading) throws -> Void
    ) -> Result<ReadText, RejectionError> {
        var stored: [UInt8] = []
        var reading = CorpusReading(options: options) { stored.append(contentsOf: $0) }
        do {
            try read(&reading)
        } catch let error as RejectionError {
            return .failure(error)
        } catch {
            fatalError("unexpected error type: \(error)")
        }
        let report = reading.report
        expect(report.bytes == stored.count, "\(report.bytes) bytes reported, \(stored.count) stored")
        return .success(
            ReadText(
                bytes: stored, documents: report.documents, replacedBytes: report.replacedBytes,
                isStructured: report.isStructured))
    }

    struct ReadText: Equatable {
        var bytes: [UInt8]
        var documents: Int
        var replacedBytes: Int
        var isStructured: Bool
    }
}
