import DocumentReading
import Foundation
import Glibc
import TextReading

extension FuzzTarget {
    /// The first byte selects the encoding that is configured, declared, or neither; the rest is the text.
    static let encoding = FuzzTarget(
        name: "encoding",
        seeds: [
            [0] + Array("Grüße".utf8), [0, 0x47, 0x72, 0xFC, 0xDF, 0x65], [0, 0xFF, 0xFE, 0x41, 0, 0x0A, 0],
            [0] + Array("\u{1B}$B$3$s\u{1B}(B\n".utf8),
            [0, 0xA4, 0xB3, 0xA4, 0xF3, 0xA4, 0xCB, 0xA4, 0xC1, 0xA4, 0xCF],
            [0, 0xCF, 0xF0, 0xE8, 0xE2, 0xE5, 0xF2, 0x2C, 0x20, 0xEC, 0xE8, 0xF0],
        ] + (1...UInt8(2 * names.count)).map { [$0, 0xC4, 0xE3, 0x41, 0x81, 0x30, 0x84, 0x36, 0x0A] }
    ) { input in
        guard let first = input.first else { return }
        let choice = Int(first) % (2 * names.count + 1)
        let name = choice == 0 ? nil : names[(choice - 1) / 2]
        let text = Array(input[1...])
        inFolder("encoding-input", text) { folder in
            let descriptor = open("\(folder)/encoding-input", O_RDONLY | O_CLOEXEC)
            expect(descriptor >= 0, "the input cannot be opened")
            defer { close(descriptor) }
            let region = FileRegion(descriptor: descriptor, bytes: text.count)
            var decoded: [UInt8] = []
            do {
                let encoding = try TextEncoding.determine(
                    region, declared: choice % 2 == 0 ? name : nil, configured: choice % 2 == 1 ? name : nil)
                let replaced = try encoding.decode(region) { decoded.append(contentsOf: $0) }
                expect(replaced.all * 1000 <= text.count, "\(replaced.all) of \(text.count) bytes replaced")
            } catch let error as RejectionError {
                expect(!error.reason.text.isEmpty, "empty reason")
                return
            } catch {
                fatalError("unexpected error type: \(error)")
            }
            expect(String(validating: decoded, as: UTF8.self) != nil, "the text is not valid UTF-8")
            expect(!decoded.contains(0), "the text contains NUL")
        }
    }

    private static let names = [
        "UTF-8", "UTF-16", "UTF-32BE", "windows-1252", "Shift_JIS", "EUC-JP", "GB18030", "Big5", "Big5-HKSCS", "EUC-KR",
        "JOHAB", "EUC-TW", "ISO-2022-JP", "ISO-2022-KR", "ISO-2022-CN", "UTF-7", "windows-1258", "TCVN", "windows-1255",
        "IBM1364", "nonsense", "UTF-8+windows-1251", "UTF-8+GB18030",
    ]
}
