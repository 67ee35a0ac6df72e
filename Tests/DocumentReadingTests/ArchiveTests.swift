import Foundation
import TextReading
import Testing

@Suite struct ArchiveTests {
    private static let text = (0..<20_000).map { "the line \($0)\n" }.joined()

    private func fixture(_ name: String) throws -> Data {
        let path = try #require(Bundle.module.path(forResource: "Fixtures/\(name)", ofType: nil))
        return try Data(contentsOf: URL(filePath: path))
    }

    // MARK: Compressed files

    @Test(arguments: ArchiveWriter.Filter.allCases)
    func readsCompressedFile(filter: ArchiveWriter.Filter) throws {
        let file = try ArchiveWriter.compressed(filter, Self.text)
        let name = filter == .lzma ? "lzma" : "txt"
        for name in ["book.txt.\(filter)", "book.\(name)"] {
            let read = try ReadDocument(name, file)
            #expect(read.text == Self.text, "\(name): \(read.reason ?? "")")
            #expect(read.report?.format.hasSuffix("-compressed plain text") == true)
        }
    }

    @Test(arguments: ArchiveWriter.Filter.allCases)
    func readsCompressedTableByItsInnerName(filter: ArchiveWriter.Filter) throws {
        let read = try ReadDocument("t.csv.\(filter)", ArchiveWriter.compressed(filter, "id,text\n1,a\n2,b\n"))
        #expect(read.text == "a\nb\n")
        #expect(read.report?.documents == 2)
        #expect(read.report?.isStructured == true)
    }

    /// The texts of threads are kept in the scratch file, behind the members of archives.
    @Test func putsThreadsOfCompressedTablesTogether() throws {
        var options = ReadingOptions()
        options.table.hasThreads = true
        let filling = String(repeating: "and so on ", count: 100)
        func table(_ start: Int) -> String {
            "tweet_id,author_id,inbound,text,in_response_to_tweet_id\n"
                + (0..<300).reversed().map { index in
                    let isReply = index % 2 == 1
                    return "\(start + index),x,\(isReply ? "False" : "True"),\(filling)\(start + index),"
                        + (isReply ? "\(start + index - 1)\n" : "\n")
                }.joined()
        }
        func conversations(_ start: Int) -> String {
            stride(from: start + 298, through: start, by: -2).map { index in
                #"{"messages":[{"role":"user","content":"\#(filling)\#(index)"},"#
                    + #"{"role":"assistant","content":"\#(filling)\#(index + 1)"}]}"# + "\n"
            }.joined()
        }
        let compressed = try ReadDocument("t.csv.gz", ArchiveWriter.compressed(.gz, table(0)), options)
        #expect(compressed.text == conversations(0), "\(compressed.reason ?? "")")
        #expect(compressed.report?.format.hasSuffix("300 rows in 150 conversations") == true)
        let archive = try ArchiveWriter.archive(
            .zip, [.file("a.csv", table(0)), .file("b.csv", table(1000)), .file("c.csv", "tweet_id\n")])
        let read = try ReadDocument("t.zip", archive, options)
        #expect(read.text == conversations(0) + conversations(1000), "\(read.reason ?? "")")
        #expect(read.report?.documents == 300)
        let packed = try ArchiveWriter.compressed(.gz, ArchiveWriter.archive(.zip, [.file("a.csv", table(0))]))
        #expect(try ReadDocument("t.zip.gz", packed, options).text == conversations(0))
    }

    /// Truncated data of the format `compress` cannot be recognized.
    @Test(arguments: ArchiveWriter.Filter.allCases.filter { $0 != .Z })
    func rejectsTruncatedCompressedFile(filter: ArchiveWriter.Filter) throws {
        let whole = try ArchiveWriter.compressed(filter, Self.text)
        for length in [1, 10, 20, whole.count / 2, whole.count - 1] {
            let read = try ReadDocument("cut.txt.\(filter)", whole.prefix(length))
            #expect(read.reason != nil, "accepted after truncation to \(length) bytes")
        }
    }

    /// libarchive does not check gzip's checksum: a damaged letter would be learned.
    @Test(arguments: [ArchiveWriter.Filter.gz, .bz2, .xz])
    func rejectsDamagedCompressedFile(filter: ArchiveWriter.Filter) throws {
        var random = SystemRandomNumberGenerator()
        let text = (0..<50_000).map { _ in UInt8.random(in: 0x61...0x7A, using: &random) }
        let whole = try ArchiveWriter.compressed(filter, text)
        for part in 1..<10 {
            var damaged = whole
            damaged[whole.count * part / 10] ^= 0x10
            #expect(try ReadDocument("damaged.txt.\(filter)", damaged).reason != nil, "byte \(whole.count * part / 10)")
        }
    }

    @Test func checksEveryMemberOfGzipFile() throws {
        let parts = (0..<40).map { part in String(repeating: "part \(part) ", count: part * 997 % 5000) }
        let members = try parts.map { try ArchiveWriter.compressed(.gz, $0) }
        #expect(try ReadDocument("a.txt.gz", members.joined()).text == parts.joined())
        for index in [0, 7, 39] where !parts[index].isEmpty {
            var damaged = members
            // The checksum precedes the size.
            damaged[index][members[index].count - 8] ^= 1
            #expect(
                try ReadDocument("a.txt.gz", damaged.joined()).reason
                    == "is damaged gzip data: its checksum does not match")
        }
    }

    @Test func readsConcatenatedStreams() throws {
        for filter in [ArchiveWriter.Filter.gz, .bz2, .xz, .zst] {
            let file = try ["one ", "two ", "three"].flatMap { try ArchiveWriter.compressed(filter, $0) }
            #expect(try ReadDocument("a.txt.\(filter)", file).text == "one two three", "\(filter)")
        }
    }

    @Test func warnsOfBytesAfterGzipData() throws {
        let file = try ArchiveWriter.compressed(.gz, "text")
        let padded = try ReadDocument("a.txt.gz", file + [UInt8](repeating: 0, count: 700))
        #expect(padded.text == "text")
        #expect(padded.report?.warnings == [])
        #expect(
            try ReadDocument("a.txt.gz", file + [0, 1, 2, 0]).report?.warnings
                == ["3 bytes after the end of the compressed data were left out"])
    }

    @Test func rejectsWrongName() throws {
        let png: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A, 0, 0, 0, 0x0D]
        for (name, format) in [
            ("a.gz", "gzip"), ("a.tar", "tar"), ("a.zip", "zip"), ("a.7z", "7-Zip"), ("a.tgz", "gzip"),
        ] {
            #expect(
                try ReadDocument(name, Array("text".utf8)).reason
                    == "its name says \(format), but it is not packed: rename it")
            #expect(
                try ReadDocument(name, png).reason?.hasPrefix("its name says \(format), but it is a PNG picture")
                    == true)
        }
        #expect(try ReadDocument("a.gz", ArchiveWriter.compressed(.xz, "text")).text == "text")
        #expect(try ReadDocument("a.zip", ArchiveWriter.archive(.sevenZip, [.file("a", "text")])).text == "text")
    }

    // MARK: Archives

    @Test(arguments: ArchiveWriter.Format.allCases)
    func joinsMembers(format: ArchiveWriter.Format) throws {
        let archive = try ArchiveWriter.archive(
            format,
            [
                .folder("dir"), .file("dir/one.txt", "one"), .file("two.md", "two\r\n"), .file("Käse/日本", "三"),
                .file(".hidden", "no"), .file(".git/config", "no"), .file("__MACOSX/c", "no"), .file("._one.txt", "no"),
                .file("dir/Thumbs.db", "no"),
            ])
        let name = ["zip": "zip", "tar": "tar", "sevenZip": "7-Zip"][format.rawValue]!
        for file in ["x.bin", "x.txt"] {
            let read = try ReadDocument(file, archive)
            let texts = try #require(read.text, "\(read.reason ?? "")").split(separator: "\n\n")
            #expect(texts.map { $0.trimmingCharacters(in: .newlines) }.sorted() == ["one", "two", "三"])
            #expect(read.report?.documents == 3)
            #expect(read.report?.warnings == [])
            #expect(
                read.report?.format.hasPrefix("\(name) archive with 3 files (ignored: ") == true,
                "\(read.report?.format ?? "")")
            #expect(read.report?.format.contains("3 sidecar files") == true)
            #expect(read.report?.format.contains("2 hidden files") == true)
        }
    }

    @Test(arguments: ArchiveWriter.Filter.allCases)
    func readsCompressedTar(filter: ArchiveWriter.Filter) throws {
        let members = [ArchiveWriter.Member.file("a.txt", Self.text), .file("b.txt", "the end")]
        let archive = try ArchiveWriter.archive(.tar, members, filter: filter)
        let read = try ReadDocument("a.tar.\(filter)", archive)
        #expect(read.text == Self.text + "\n\nthe end", "\(read.reason ?? "")")
        #expect(read.report?.format.hasSuffix("-compressed tar archive with 2 files") == true)
        if filter != .Z {
            #expect(try ReadDocument("a.tar.\(filter)", archive.dropLast(10)).reason != nil)
            #expect(try ReadDocument("a.tar.\(filter)", archive.prefix(archive.count / 2)).reason != nil)
        }
    }

    /// Fixtures of Python's zipfile: a.txt "one", deep/b.md "two", .hidden and __MACOSX/c "no"
    /// (`python3 -m zipfile -c members.zip a.txt deep .hidden __MACOSX`), and a.txt beside the table t.csv (mixed.zip).
    @Test func readsArchiveOfOtherProgram() throws {
        let read = try ReadDocument("y.zip", fixture("members.zip"))
        #expect(read.text == "one\n\ntwo")
        #expect(read.report?.documents == 2)

        let mixed = try ReadDocument("m.zip", fixture("mixed.zip"))
        let reason = try #require(mixed.reason)
        #expect(reason.hasPrefix("contains both plain text (3 bytes, the first in ‘a.txt’) and tables ("), "\(reason)")
        #expect(reason.hasSuffix(" bytes, the first in ‘t.csv’): put them into separate files"), "\(reason)")
    }

    @Test func rejectsArchiveOfWhichAFifthIsOfTheOtherKind() throws {
        let table = "text\n" + (0..<20).map { "row \($0)\n" }.joined()
        let rows = table.utf8.count - 5
        func archive(_ members: [ArchiveWriter.Member]) throws -> ReadDocument {
            try ReadDocument("a.tar", ArchiveWriter.archive(.tar, members))
        }
        let notes = ArchiveWriter.Member.file("README.txt", "These are the spam")
        #expect(
            try archive([notes, .file("spam.csv", table)]).reason
                == "contains both plain text (18 bytes, the first in ‘README.txt’) and tables (\(rows) bytes, the first in "
                + "‘spam.csv’): put them into separate files")
        let long = ArchiveWriter.Member.file("long.txt", String(repeating: "x", count: rows / 4 + 1))
        #expect(
            try archive([.file("spam.csv", table), long]).reason?.hasPrefix("contains both tables (\(rows) bytes")
                == true)
        let read = try archive([.file("spam.csv", table), notes])
        #expect(read.report?.documents == 20)
        #expect(read.report?.warnings.count == 1)
    }

    @Test func countsReplacedBytesOnce() throws {
        let text = Array(String(repeating: "words in a row, ", count: 200).utf8)
        let damaged = text + [0xFF, 0xFE] + text
        let plain = try ReadDocument("a.txt", damaged).report
        #expect(plain?.replacedBytes == 2 && plain?.warnings == ["2 bytes are not UTF-8, replaced by U+FFFD"])
        let page = try ReadDocument("a.html", Array("<html><p>".utf8) + damaged).report
        #expect(page?.replacedBytes == 2 && page?.warnings == ["2 bytes are not UTF-8, replaced by U+FFFD"])
        let archive = try ArchiveWriter.archive(.tar, [.file("a.txt", text), .file("b.txt", text + [0xFF] + text)])
        let packed = try ReadDocument("a.tar", archive).report
        #expect(packed?.replacedBytes == 1)
        #expect(
            packed?.warnings == ["1 byte in ‘b.txt’ is not valid in its encoding and was replaced by U+FFFD"])
    }

    @Test func firstUsableMemberDecidesWhetherThereAreRecords() throws {
        let archive = try ArchiveWriter.archive(
            .tar,
            [
                .file("empty.txt", ""), .file("a.csv", "text\none\n"), .file("b.txt", "plain"),
                .file("c.jsonl", "{\"text\":\"two and some more words\"}\n"), .file("other.csv", "id,body\n1,three\n"),
            ])
        let read = try ReadDocument("a.tar", archive)
        #expect(read.text == "one\ntwo and some more words\n")
        #expect(read.report?.isStructured == true)
        #expect(read.report?.documents == 2)
        let warnings = read.report?.warnings ?? []
        #expect(
            warnings.prefix(2) == [
                "‘empty.txt’ left out: is empty",
                "‘b.txt’ left out: is plain text, but the files before it are tables: put them into separate archives",
            ])
        #expect(warnings.count == 3 && warnings[2].hasPrefix("‘other.csv’ left out: "), "\(warnings)")
    }

    @Test(arguments: ArchiveWriter.Format.allCases)
    func leavesOutUnusableMembersByName(format: ArchiveWriter.Format) throws {
        let png: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A, 0, 0, 0, 0x0D]
        var members = (0..<5).map { ArchiveWriter.Member.file("pictures/\($0).txt", png) }
        members.append(.file("notes.rtf", "{\\rtf1 notes}"))
        let picture = "a PNG picture: text in it is recognized with: tesseract FILE FILE"
        let rtf = "‘notes.rtf’ IS an RTF document: convert it with: unrtf --text FILE > FILE.txt"
        #expect(
            try ReadDocument("a", ArchiveWriter.archive(format, members)).reason
                == "contains no file that can be used: ‘pictures/0.txt’, ‘pictures/1.txt’, ‘pictures/2.txt’ and 2 more is "
                + "\(picture); \(rtf.replacing("IS", with: "is"))")
        members.insert(.file("good.txt", "good"), at: 3)
        let read = try ReadDocument("a", ArchiveWriter.archive(format, members))
        #expect(read.text == "good")
        #expect(
            read.report?.warnings == [
                "‘pictures/0.txt’, ‘pictures/1.txt’, ‘pictures/2.txt’ and 2 more left out: is \(picture)",
                rtf.replacing("IS", with: "left out: is"),
            ])
    }

    @Test func ignoresLinksAndDevices() throws {
        let read = try ReadDocument(
            "a.tar",
            ArchiveWriter.archive(
                .tar,
                [
                    .link("passwd.txt", to: "/etc/passwd"), .device("null.txt"), .file("../../outside.txt", "one"),
                    .file("/absolute.txt", "two"), .link("up", to: ".."),
                ]))
        #expect(read.text == "one\n\ntwo")
        #expect(read.report?.format == "tar archive with 2 files (ignored: 2 links, 1 special file)")
        #expect(read.report?.warnings == [])
        #expect(
            try ReadDocument("b.tar", ArchiveWriter.archive(.tar, [.folder("a"), .link("b", to: "a")])).reason
                == "contains no files (ignored: 1 link)")
    }

    @Test func leavesOutEncryptedMembers() throws {
        let secret = try ArchiveWriter.archive(.zip, [.file("secret.txt", "secret")], password: "password")
        #expect(
            try ReadDocument("a.zip", secret).reason
                == "contains no file that can be used: ‘secret.txt’ is encrypted: pack it again without a password")
    }

    @Test func leavesOutDamagedMembers() throws {
        let line = Array("every line is the same\n".utf8)
        let good = ZipWriter.Member(Array("good.txt".utf8), data: line, crc: ZipWriter.crc(line))
        let wrong = ZipWriter.Member(Array("wrong.txt".utf8), data: line, crc: 1)
        let invalid = ZipWriter.Member(Array("invalid.txt".utf8), data: [0xFF, 0xFF, 0xFF], method: 8, size: 100)
        let method = ZipWriter.Member(Array("method.txt".utf8), data: [1, 2, 3, 4], method: 14, size: 1 << 20)
        let read = try ReadDocument("a.zip", ZipWriter.file([wrong, invalid, method, good]))
        #expect(read.text == String(decoding: line, as: UTF8.self))
        let warnings = try #require(read.report?.warnings)
        #expect(warnings.count == 3)
        #expect(warnings[0].hasPrefix("‘wrong.txt’ left out: is damaged: "))
        #expect(warnings[1].hasPrefix("‘invalid.txt’ left out: is damaged: "))
        #expect(
            warnings[2]
                == "‘method.txt’ left out: is compressed with an unsupported method (lzma): pack it again with zip")
    }

    @Test(arguments: ArchiveWriter.Format.allCases)
    func rejectsTruncatedArchive(format: ArchiveWriter.Format) throws {
        let members = [ArchiveWriter.Member.file("a.txt", Self.text), .file("b.txt", Self.text)]
        let archive = try ArchiveWriter.archive(format, members)
        for length in [600, archive.count / 3, archive.count / 2 + 700, archive.count - 1100] {
            let read = try ReadDocument("a.\(format)", archive.prefix(length))
            #expect(read.reason != nil, "accepted after truncation to \(length) of \(archive.count) bytes")
        }
    }

    @Test func warnsOfTarWithoutEnd() throws {
        let archive = try ArchiveWriter.archive(.tar, [.file("a.txt", "one"), .file("b.txt", "two")])
        let read = try ReadDocument("a.tar", archive.prefix(1024))
        #expect(read.text == "one")
        #expect(read.report?.warnings == ["the tar archive has no end mark, so it may be truncated"])
    }

    @Test func escapesAndShortensNamesInMessages() throws {
        let name = String(repeating: "long ", count: 2000) + "\n\u{1B}[2J.txt"
        let archive = try ArchiveWriter.archive(.tar, [.file(name, ""), .file("b.txt", "text")])
        let warning = try #require(try ReadDocument("a.tar", archive).report?.warnings.first)
        #expect(warning.utf8.count <= 300 && warning.hasPrefix("‘long ") && warning.contains("…"), "\(warning)")
        #expect(warning.unicodeScalars.allSatisfy { $0.value >= 0x20 }, "\(warning)")
    }

    // MARK: Nesting

    @Test func readsArchivesInsideArchiveOnce() throws {
        let inner = try ArchiveWriter.archive(.sevenZip, [.file("deep.txt", "deep")])
        let tar = try ArchiveWriter.archive(
            .tar,
            [.file("t.txt", "in tar"), .file("more.zip", ArchiveWriter.archive(.zip, [.file("no.txt", "no")]))],
            filter: .gz)
        let read = try ReadDocument(
            "a.zip",
            ArchiveWriter.archive(
                .zip,
                [
                    .file("inner.7z", inner), .file("a.tar.gz", tar),
                    .file("b.txt.xz", ArchiveWriter.compressed(.xz, "compressed")), .file("c.txt", "plain"),
                ]))
        #expect(read.text == "deep\n\nin tar\n\ncompressed\n\nplain")
        #expect(read.report?.format == "zip archive with 4 files")
        #expect(
            read.report?.warnings == [
                "‘a.tar.gz/more.zip’ left out: is an archive inside an archive inside an archive: unpack the outer one"
            ])
    }

    @Test func readsTwiceCompressedFileButNotThrice() throws {
        let once = try ArchiveWriter.compressed(.gz, "text")
        let twice = try ArchiveWriter.compressed(.gz, once)
        #expect(try ReadDocument("a.txt.gz.gz", twice).text == "text")
        #expect(
            try ReadDocument("a.txt.gz.gz.gz", ArchiveWriter.compressed(.gz, twice)).reason
                == "is an archive inside an archive inside an archive: unpack the outer one")
    }

    @Test func namesSpreadsheetsAndPrograms() throws {
        let kinds = [
            (
                "xl/workbook.xml",
                "is an Excel spreadsheet: convert it with: libreoffice --headless --convert-to csv FILE"
            ),
            ("ppt/presentation.xml", "is a PowerPoint presentation: "), ("META-INF/MANIFEST.MF", "is a Java program"),
            ("AndroidManifest.xml", "is an Android program"),
        ]
        for (member, reason) in kinds {
            let archive = try ArchiveWriter.archive(.zip, [.file("a.xml", "<a/>"), .file(member, "<b/>")])
            #expect(try ReadDocument("a.zip", archive).reason?.hasPrefix(reason) == true, "\(member)")
        }
        let mediaType = Array("application/vnd.oasis.opendocument.spreadsheet".utf8)
        let sheet = ZipWriter.file([
            .init(Array("mimetype".utf8), data: mediaType, crc: ZipWriter.crc(mediaType)),
            .init(Array("content.xml".utf8), data: [], crc: 0),
        ])
        #expect(try ReadDocument("a.ods", sheet).reason?.hasPrefix("is an OpenDocument spreadsheet: ") == true)
    }
}
