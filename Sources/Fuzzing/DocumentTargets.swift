import DocumentReading
import FoundationEssentials
import Glibc
import TextReading

/// Targets for packed files, read as `kantaibert-read` reads them.
extension FuzzTarget {
    /// The first byte selects the format of the contents if the file name does not determine it.
    static let archives: [FuzzTarget] = [
        packed(
            "gzip", ending: "gz",
            seeds: [
                "H4sIAAAAAAACA8tM0SlJrSjh5TLUUUpUUFJKUlLi5UoGYiOdFF4uAAGHYcAeAAAA",
                "H4sIAAAAAAACA8vPS+UCAJ+oF/gEAAAAH4sIAAAAAAACAyspz+cCAHQIF5YEAAAAAAAAAA==",
            ]),
        packed(
            "zstd", ending: "zst",
            seeds: [
                "KLUv/QRo8QAAaWQsdGV4dA0KMSwiYSAiImIiIg0KYyINCjIsZA0KsH68lg==",
                "KLUv/QRYpQAAaHsidGV4dCI6ImEifQoBAPigzi/hOMZh",
            ]),
        packed(
            "bzip2", ending: "bz2",
            seeds: [
                "QlpoOTFBWSZTWXLGt08AAA3ZgAASUAQwAD4gBEAgACGpjUGamgpgABgKNl5TrkxSqQQ2bUePvi7kinChIOWNbp4=",
                "QlpoOTFBWSZTWc+6oLQAAAGRAEAAAgGgACGaaDNNDLxdyRThQkM+6oLQQlpoOTFBWSZTWc3cjZoAAACBgAAAhIAgACGYGYRhdyRThQkM3cjZoA==",
            ]),
        packed(
            "xz", ending: "xz",
            seeds: [
                "/Td6WFoAAATm1rRGAgAhARYAAAB0L+WjAQAeaWQsdGV4dA0KMSwiYSAiImIiIg0KYyINCg0KMixkCgAAmiZhOYDWQfMAATcf6hiJPR+2830BAAAAAARZWg==",
                "/Td6WFoAAATm1rRGAgAhARYAAAB0L+WjAQADb25lIABajIOjMTXvfgABHARvLJzBH7bzfQEAAAAABFla/Td6WFoAAATm1rRGAgAhARYAAAB0L+WjAQACdHdvAABd03kpdShSAwABGwMLL7kQH7bzfQEAAAAABFla",
            ]),
        packed(
            "zip", ending: "zip",
            seeds: [
                "UEsDBBQAAAAIAAAAIVwBh2HAHgAAAB4AAAAFAAAAYS5jc3bLTNEpSa0o4eUy1FFKVFBSSlJS4uVKBmIjnRReLgBQSwMEFAAAAAgAAAAhXGJU0xUPAAAADQAAAAcAAABiLmpzb25sq1YqSa0oUbJSqlCq5QIAUEsBAhQDFAAAAAgAAAAhXAGHYcAeAAAAHgAAAAUAAAAAAAAAAAAAAIABAAAAAGEuY3N2UEsBAhQDFAAAAAgAAAAhXGJU0xUPAAAADQAAAAcAAAAAAAAAAAAAAIABQQAAAGIuanNvbmxQSwUGAAAAAAIAAgBoAAAAdQAAAAAA",
                "UEsDBBQAAAAIAAAAIVxVALvBCQAAAMgAAAAFAAAAYS50eHTLz0vlyh8GGABQSwMEFAAAAAgAAAAhXHQIF5YGAAAABAAAAAYAAABkL2IubWQrKc/nAgBQSwMEFAAAAAgAAAAhXB8oqmcEAAAAAgAAAAoAAABfX01BQ09TWC94y8sHAFBLAQIUAxQAAAAIAAAAIVxVALvBCQAAAMgAAAAFAAAAAAAAAAAAAACAAQAAAABhLnR4dFBLAQIUAxQAAAAIAAAAIVx0CBeWBgAAAAQAAAAGAAAAAAAAAAAAAACAASwAAABkL2IubWRQSwECFAMUAAAACAAAACFcHyiqZwQAAAACAAAACgAAAAAAAAAAAAAAgAFWAAAAX19NQUNPU1gveFBLBQYAAAAAAwADAJ8AAACCAAAAAAA=",
            ]),
        packed(
            "sevenzip", ending: "7z",
            seeds: [
                "N3q8ryccAAOama2DggAAAAAAAAAgAAAAAAAAAKb4vOgANJkBheGhrb+yzifdE2U7V2oeN3KaNRQNl3yt041AJa5dof//u8QAAAAAgTMHrg/QluR8nz9HQVjW/gJqJajogIV6oex2fG6aXYObNzT7orfv6TzaAk/Y7Jbz7pf0Z6LFf5nEYQ7Jlx9uF/ldGbpYMWlHEJx1/rzMc09i2//+TwQAFwYpAQlZAAcLAQABIwMBAQVdAACAAAxaCgHM/PexAAA=",
                "N3q8ryccAAPYQAi+IAAAAAAAAABTAAAAAAAAAHbMMAZpZCx0ZXh0DQoxLCJhIgoyLGQKeyJ0ZXh0IjoiYSJ9CgEEBgACCRMNAAcLAgABAQABAQAMEw0ACAoByqMJYndMwjgAAAUCER0AYQAuAGMAcwB2AAAAYgAuAGoAcwBvAG4AbAAAABUKAQAggKSBIICkgQAA",
            ]),
        FuzzTarget(
            name: "tar", seeds: [[0] + tarFile([("a.csv", "id,text\n1,a\n"), ("b.txt", "text")])]
        ) { read($0, name: "tar", ending: "tar") },
    ]

    private static func packed(_ name: String, ending: String, seeds: [String]) -> FuzzTarget {
        FuzzTarget(name: name, seeds: seeds.map { [0] + Data(base64Encoded: $0)! }) { input in
            read(input, name: name, ending: ending)
        }
    }

    private static func read(_ input: [UInt8], name: String, ending: String) {
        guard let first = input.first else { return }
        let format = TextFormat.allCases[Int(first) % TextFormat.allCases.count]
        var options = smallReading
        if !["zip", "sevenzip", "tar"].contains(name) { options.format = format }
        // A separate name, because targets may run concurrently.
        inFolder("\(name)-input", Array(input[1...])) { folder in
            let file = open("\(folder)/\(name)-input", O_RDONLY | O_CLOEXEC)
            let scratch = open("\(folder)/\(name)-scratch", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
            expect(file >= 0 && scratch >= 0, "the input cannot be opened")
            defer {
                close(file)
                close(scratch)
            }
            var stored: [UInt8] = []
            var reader = DocumentReader(options: options, scratch: ScratchFile(descriptor: scratch)) {
                stored.append(contentsOf: $0)
            }
            do {
                let report = try reader.read(
                    name: "input.\(ending)", FileRegion(descriptor: file, bytes: input.count - 1))
                expect(report.bytes == stored.count, "\(report.bytes) bytes reported, \(stored.count) stored")
                // Each invalid byte becomes three bytes, and line breaks are inserted between members.
                expect(stored.count <= 4 * options.maxExpandedBytes, "expanded to \(stored.count) bytes")
                check(
                    ReadText(
                        bytes: stored, documents: report.documents, replacedBytes: report.replacedBytes,
                        isStructured: report.isStructured))
            } catch let error as RejectionError {
                expect(!error.reason.text.isEmpty, "empty reason")
            } catch {
                fatalError("unexpected error type: \(error)")
            }
        }
    }

    /// Returns a tar archive in the format `ustar`.
    private static func tarFile(_ members: [(name: String, text: String)]) -> [UInt8] {
        let blocks = members.flatMap { member in
            var header = [UInt8](repeating: 0, count: 512)
            func set(_ text: String, at offset: Int) {
                header.replaceSubrange(offset..<(offset + text.utf8.count), with: text.utf8)
            }
            func octal(_ number: Int, digits: Int) -> String {
                let text = String(number, radix: 8)
                return String(repeating: "0", count: digits - text.utf8.count) + text
            }
            set(member.name, at: 0)
            set("0000644", at: 100)
            set(octal(member.text.utf8.count, digits: 11), at: 124)
            set("00000000000", at: 136)
            // The checksum is computed as if it were spaces.
            set("        0", at: 148)
            set("ustar\u{0}00", at: 257)
            set(octal(header.reduce(0) { $0 + Int($1) }, digits: 6) + "\u{0}", at: 148)
            let padding = [UInt8](repeating: 0, count: 511 - (member.text.utf8.count + 511) % 512)
            return header + member.text.utf8 + padding
        }
        return blocks + [UInt8](repeating: 0, count: 1024)
    }
}
