import Corpora
import Daemon
import FoundationEssentials
import Glibc

/// What people put into the inbox.
extension FuzzTarget {
    /// The first byte says in what pieces the table arrives, the second what parts its fields: the records must not depend
    /// on the pieces.
    static let csv = FuzzTarget(
        name: "csv",
        seeds: texts(
            "\u{3},id,text\r\n1,\"a \"\"b\"\"\r\nc\"\r\n\r\n2,d\n3", "\0;\u{FEFF}text;text\na;b\rc;\"\u{20AC}\"",
            "\u{40}\ttext\n\"\"\n")
    ) { input in
        // Such as a folder may have.
        guard input.count >= 2, input[1] < 0x80, !"\"\r\n".utf8.contains(input[1]) else { return }
        var options = smallReading
        options.delimiter = input[1]
        readAsOneAndInPieces(Array(input[2...]), .csv, options, pieces: Int(input[0]) + 1)
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

    /// The first byte says what is to be inside, where the ending does not.
    static let archives: [FuzzTarget] = [
        archive(
            "gzip", ending: "gz",
            seeds: [
                "H4sIAAAAAAACA8tM0SlJrSjh5TLUUUpUUFJKUlLi5UoGYiOdFF4uAAGHYcAeAAAA",
                "H4sIAAAAAAACA8vPS+UCAJ+oF/gEAAAAH4sIAAAAAAACAyspz+cCAHQIF5YEAAAAAAAAAA==",
            ]),
        archive(
            "zstd", ending: "zst",
            seeds: [
                "KLUv/QRo8QAAaWQsdGV4dA0KMSwiYSAiImIiIg0KYyINCjIsZA0KsH68lg==",
                "KLUv/QRYpQAAaHsidGV4dCI6ImEifQoBAPigzi/hOMZh",
            ]),
        archive(
            "zip", ending: "zip",
            seeds: [
                "UEsDBBQAAAAIAAAAIVwBh2HAHgAAAB4AAAAFAAAAYS5jc3bLTNEpSa0o4eUy1FFKVFBSSlJS4uVKBmIjnRReLgBQSwMEFAAAAAgAAAAhXGJU0xUPAAAADQAAAAcAAABiLmpzb25sq1YqSa0oUbJSqlCq5QIAUEsBAhQDFAAAAAgAAAAhXAGHYcAeAAAAHgAAAAUAAAAAAAAAAAAAAIABAAAAAGEuY3N2UEsBAhQDFAAAAAgAAAAhXGJU0xUPAAAADQAAAAcAAAAAAAAAAAAAAIABQQAAAGIuanNvbmxQSwUGAAAAAAIAAgBoAAAAdQAAAAAA",
                "UEsDBBQAAAAIAAAAIVxVALvBCQAAAMgAAAAFAAAAYS50eHTLz0vlyh8GGABQSwMEFAAAAAgAAAAhXHQIF5YGAAAABAAAAAYAAABkL2IubWQrKc/nAgBQSwMEFAAAAAgAAAAhXB8oqmcEAAAAAgAAAAoAAABfX01BQ09TWC94y8sHAFBLAQIUAxQAAAAIAAAAIVxVALvBCQAAAMgAAAAFAAAAAAAAAAAAAACAAQAAAABhLnR4dFBLAQIUAxQAAAAIAAAAIVx0CBeWBgAAAAQAAAAGAAAAAAAAAAAAAACAASwAAABkL2IubWRQSwECFAMUAAAACAAAACFcHyiqZwQAAAACAAAACgAAAAAAAAAAAAAAgAFWAAAAX19NQUNPU1gveFBLBQYAAAAAAwADAJ8AAACCAAAAAAA=",
            ]),
    ]

    /// `.kbconfig.yaml`, which the group may write, where the settings are an administrator's.
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
            expect(found.reading.maxRecordBytes == smallReading.maxRecordBytes, "a folder has lifted a limit")
        }
    }

    /// Small enough that inputs come up against it.
    private static let smallReading: ReadingOptions = {
        var options = ReadingOptions()
        options.maxRecordBytes = 200
        options.maxExpandedBytes = 1 << 20
        return options
    }()

    private static func archive(_ name: String, ending: String, seeds: [String]) -> FuzzTarget {
        FuzzTarget(name: name, seeds: seeds.map { [0] + Data(base64Encoded: $0)! }) { input in
            guard let first = input.first else { return }
            let format = TextFormat.allCases[Int(first) % TextFormat.allCases.count]
            // A name of its own: targets may run beside each other.
            inFolder("\(name)-input", Array(input[1...])) { folder in
                let descriptor = open("\(folder)/\(name)-input", O_RDONLY | O_CLOEXEC)
                expect(descriptor >= 0, "the input cannot be opened")
                defer { close(descriptor) }
                var options = smallReading
                if name != "zip" { options.format = format }
                let found = reading(options) { reading in
                    try reading.read(name: "input.\(ending)", descriptor: descriptor, bytes: input.count - 1)
                }
                guard case .success(let text) = found else { return }
                // A byte that is not UTF-8 becomes three, and lines between members come on top.
                expect(text.bytes.count <= 4 * options.maxExpandedBytes, "\(text.bytes.count) bytes came out")
                check(text)
            }
        }
    }

    private static func readAsOneAndInPieces(
        _ bytes: [UInt8], _ format: TextFormat, _ options: ReadingOptions, pieces size: Int
    ) {
        let whole = readingDocument(bytes, format, options, pieces: max(1, bytes.count))
        let pieces = readingDocument(bytes, format, options, pieces: size)
        switch (whole, pieces) {
        case (.success(let whole), .success(let pieces)):
            expect(whole == pieces, "\(whole) of one piece, \(pieces) of pieces of \(size)")
            check(whole)
        // Where there are two reasons, which one comes first depends on the pieces.
        case (.failure(let error), .failure): expect(!error.reason.text.isEmpty, "no reason is given")
        default: fatalError("\(whole) of one piece, \(pieces) of pieces of \(size)")
        }
    }

    /// What is stored is text, and of records one a line.
    private static func check(_ text: ReadText) {
        expect(String(validating: text.bytes, as: UTF8.self) != nil, "what is stored is not UTF-8")
        expect(!text.bytes.contains(0), "what is stored has a NUL")
        guard text.isStructured else { return }
        let lines = text.bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        expect(lines.count == text.documents + 1, "\(text.documents) records in \(lines.count - 1) lines")
        expect(lines.last?.isEmpty == true, "the last line is not ended")
        expect(!lines.dropLast().contains(where: \.isEmpty), "an empty record")
        expect(!text.bytes.contains(UInt8(ascii: "\r")), "a record with a line end in it")
    }

    private static func readingDocument(
        _ bytes: [UInt8], _ format: TextFormat, _ options: ReadingOptions, pieces size: Int
    ) -> Result<ReadText, Unusable> {
        reading(options, isStructured: format.isStructured) { reading in
            try reading.readDocument(format) { take in
                for start in stride(from: 0, to: bytes.count, by: size) {
                    try bytes[start..<min(bytes.count, start + size)].withUnsafeBytes(take)
                }
            }
        }
    }

    private static func reading(
        _ options: ReadingOptions, isStructured: Bool? = nil, _ read: (inout CorpusReading) throws -> Void
    ) -> Result<ReadText, Unusable> {
        var stored: [UInt8] = []
        var reading = CorpusReading(options: options) { stored.append(contentsOf: $0) }
        do {
            try read(&reading)
        } catch let error as Unusable {
            return .failure(error)
        } catch {
            fatalError("an error that tells the user nothing: \(error)")
        }
        expect(reading.bytes == stored.count, "\(reading.bytes) bytes are told, \(stored.count) stored")
        return .success(
            ReadText(
                bytes: stored, documents: reading.documents, replacedBytes: reading.replacedBytes,
                isStructured: isStructured ?? reading.isStructured))
    }

    private struct ReadText: Equatable {
        var bytes: [UInt8]
        var documents: Int
        var replacedBytes: Int
        var isStructured: Bool
    }
}
