import Foundation
import TextReading
import Testing

/// Archives crafted to use more time, memory or space than they are worth.
@Suite struct ArchiveLimitsTests {
    private static let zeros = [UInt8](repeating: UInt8(ascii: "a"), count: 17 << 20)
    private static let tooMuch = "expands to more than 200 times its size, the limit set by inbox.max_expansion_ratio"

    @Test(arguments: [ArchiveWriter.Filter.gz, .bz2, .xz, .zst])
    func rejectsDecompressionBomb(filter: ArchiveWriter.Filter) throws {
        let bomb = try ArchiveWriter.compressed(filter, Self.zeros)
        #expect(try ReadDocument("bomb.txt.\(filter)", bomb).reason == Self.tooMuch)
        let tar = try ArchiveWriter.archive(.tar, [.file("a.txt", Self.zeros)], filter: filter)
        #expect(try ReadDocument("bomb.tar.\(filter)", tar).reason == Self.tooMuch)
    }

    @Test(arguments: [ArchiveWriter.Format.zip, .sevenZip])
    func rejectsArchiveBomb(format: ArchiveWriter.Format) throws {
        let bomb = try ArchiveWriter.archive(format, [.file("a.txt", "good"), .file("b.txt", Self.zeros)])
        #expect(try ReadDocument("bomb", bomb).reason == Self.tooMuch)
    }

    @Test func countsAllLevelsTogether() throws {
        var options = ReadingOptions()
        options.maxExpandedBytes = 10_000
        let member = String(repeating: "some text\n", count: 600)
        func zip(_ count: Int) throws -> [UInt8] {
            try ArchiveWriter.archive(.zip, (0..<count).map { .file("\($0).txt", member) })
        }
        #expect(try ReadDocument("a.zip", zip(1), options).report?.documents == 1)
        let reason = "expands to more than 10000 bytes, the limit set by inbox.max_expanded_bytes"
        #expect(try ReadDocument("a.zip", zip(2), options).reason == reason)
        let inner = try ArchiveWriter.compressed(.gz, String(repeating: "other text\n", count: 600))
        let outer = try ArchiveWriter.archive(.zip, [.file("a.txt", member), .file("b.txt.gz", inner)])
        #expect(try ReadDocument("a.zip", outer, options).reason == reason)
    }

    /// The members of a tar archive are no larger than the archive, which was counted already.
    @Test func countsMembersOfCompressedTarOnce() throws {
        var options = ReadingOptions()
        options.maxExpandedBytes = 10_000
        let tar = try ArchiveWriter.archive(
            .tar, [.file("a.txt", String(repeating: "some text\n", count: 700))], filter: .gz)
        #expect(try ReadDocument("a.tar.gz", tar, options).report?.documents == 1)
        options.maxExpandedBytes = 7000
        #expect(try ReadDocument("a.tar.gz", tar, options).reason?.hasPrefix("expands to more than 7000") == true)
    }

    @Test func limitsMembers() throws {
        func empty(_ count: Int) throws -> [UInt8] {
            try ArchiveWriter.archive(.zip, (0..<count).map { .folder("\($0)") })
        }
        #expect(try ReadDocument("a.zip", empty(0)).reason == "contains no files")
        #expect(try ReadDocument("a.zip", empty(1000)).reason == "contains no files")
        #expect(
            try ReadDocument("b.zip", empty(100_001)).reason
                == "has more than 100000 members, which is the maximum: split the archive or join the texts")
    }

    @Test func limitsCentralDirectory() throws {
        let small = ZipWriter.file([.init(Array("a/".utf8), data: [])])
        let end = small.count - 22
        var large = Array(small[..<end]) + [UInt8](repeating: 0x20, count: 40 << 20) + small[end...]
        // The size of the directory.
        large.replaceSubrange((large.count - 10)..<(large.count - 6), with: ZipWriter.number(40 << 20, 4))
        #expect(
            try ReadDocument("a.zip", large).reason?.hasPrefix("has a central directory of ") == true)
        // A zip64 record that declares a huge directory.
        let record = ZipWriter.numbers([
            (0x0606_4B50, 4), (44, 8), (45, 2), (45, 2), (0, 8), (1, 8), (1, 8), (1 << 40, 8), (0, 8),
        ])
        let locator = ZipWriter.numbers([(0x0706_4B50, 4), (0, 4), (UInt64(end), 8), (1, 4)])
        var last = Array(small[end...])
        last.replaceSubrange(8..<20, with: [UInt8](repeating: 0xFF, count: 12))
        #expect(
            try ReadDocument("b.zip", small[..<end] + record + locator + last).reason?.hasPrefix(
                "has a central directory of 1099511627776 bytes") == true)
    }

    /// Members that share data: all of it, or the local headers of the others within the data of the first.
    @Test func rejectsOverlappingMembers() throws {
        let data = ZipWriter.nothing(blocks: 20_000)
        let members = (0..<1000).map { number in
            ZipWriter.Member(
                Array("a\(number).txt".utf8), data: data, method: 8, size: 0, offset: number == 0 ? nil : 0)
        }
        #expect(
            try ReadDocument("a.zip", ZipWriter.file(members)).reason
                == "is a damaged zip archive: 999 of its 1000 members contain data of another member; pack the files again"
        )

        let text = Array("some text\n".utf8)
        let inner = ZipWriter.file([.init(Array("b.txt".utf8), data: text, crc: ZipWriter.crc(text))])
        let header = inner.prefix(30 + 5 + text.count)
        let outer = ZipWriter.Member(Array("a.txt".utf8), data: Array(header), crc: ZipWriter.crc(Array(header)))
        let quoted = ZipWriter.Member(Array("b.txt".utf8), data: text, crc: ZipWriter.crc(text), offset: 35)
        let overlapping = ZipWriter.file([outer, quoted])
        let reason = "is a damaged zip archive: 1 of its 2 members contain data of another member; pack the files again"
        #expect(try ReadDocument("a.zip", overlapping).reason == reason)
        // A program that unpacks the archive may precede it.
        let program = [UInt8](repeating: UInt8(ascii: "x"), count: 100)
        #expect(try ReadDocument("a.zip", Array("PK\u{3}\u{4}".utf8) + program + overlapping).reason == reason)
    }

    @Test func acceptsAdjacentMembers() throws {
        let text = Array("some text\n".utf8)
        func member(_ name: String, _ data: [UInt8]) -> ZipWriter.Member {
            ZipWriter.Member(Array(name.utf8), data: data, crc: ZipWriter.crc(data))
        }
        let file = ZipWriter.file([
            member("a/", []), member("a/b.txt", text), member("a/c.txt", []), member("a/d.txt", text), member("e/", []),
        ])
        #expect(try ReadDocument("a.zip", file).report?.documents == 2)
    }

    @Test func readsEmptyGzipMembersInOnePass() throws {
        let member = try ArchiveWriter.compressed(.gz, "")
        let file = try Array((0..<100_000).map { _ in member }.joined()) + ArchiveWriter.compressed(.gz, "at last")
        #expect(try ReadDocument("a.txt.gz", file).text == "at last")
    }

    @Test func rejectsHugeDictionaries() throws {
        var file = try ArchiveWriter.compressed(.lzma, "text")
        file.replaceSubrange(1..<5, with: [0, 0, 0, 0x80])
        #expect(
            try ReadDocument("a.txt.lzma", file).reason?.hasPrefix(
                "needs a dictionary of 2147483648 bytes to be unpacked") == true)
        // A block header with LZMA2 and a dictionary of 1.5 GiB.
        let xz: [UInt8] = [0xFD, 0x37, 0x7A, 0x58, 0x5A, 0, 0, 4, 0xE6, 0xD6, 0xB4, 0x46, 2, 0, 0x21, 1, 37, 0, 0, 0]
        #expect(
            try ReadDocument("a.txt.xz", xz).reason?.hasPrefix("needs a dictionary of 1610612736 bytes") == true)
    }

    @Test func reasonsContainNoTextFromTheFile() throws {
        let secret = "s3cret"
        let long = Array(String(repeating: secret, count: 100_000).utf8)
        let files: [(String, [UInt8])] = [
            ("a.txt", Array("\(secret)\0".utf8)), ("a.gz", long), ("a.zip", long), ("a.7z", long),
            ("a.bin", Array("\u{7F}ELF\(secret)\0\u{1}".utf8)), ("b.zip", Array("PK\u{3}\u{4}".utf8) + long),
            ("a.sh", Array("#!The password is \(secret)\n\u{1}\0".utf8)),
            ("a.rtf", Array("{\\rtf1 \(secret)}".utf8)),
            ("b.gz", [0x1F, 0x8B, 8, 8, 0, 0, 0, 0, 0, 3] + Array("\(secret)\0".utf8)),
        ]
        for (name, bytes) in files {
            let reason = try #require(try ReadDocument(name, bytes).reason, "\(name): accepted")
            #expect(!reason.contains(secret), "\(name): \(reason)")
            #expect(reason.utf8.count <= 300, "\(name): \(reason)")
        }
    }
}
