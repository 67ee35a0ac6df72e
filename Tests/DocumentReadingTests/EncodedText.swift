import DocumentReading
import Glibc
import TextReading

/// A region of a temporary file, which is removed with the last reference.
final class TemporaryRegion {
    private let file: UnsafeMutablePointer<FILE>
    let region: FileRegion

    init(_ bytes: [UInt8]) {
        guard let file = tmpfile() else { fatalError("tmpfile: \(String(cString: strerror(errno)))") }
        self.file = file
        fwrite(bytes, 1, bytes.count, file)
        fflush(file)
        region = FileRegion(descriptor: fileno(file), bytes: bytes.count)
    }

    deinit { fclose(file) }
}

/// A text that was decoded.
struct Decoded: Equatable {
    var text: String
    var encoding: String
    var replaced: Int
}

extension Decoded {
    /// - Throws: `RejectionError`
    init(_ bytes: [UInt8], declared: String? = nil, configured: String? = nil) throws {
        let file = TemporaryRegion(bytes)
        let found = try TextEncoding.determine(file.region, declared: declared, configured: configured)
        var text: [UInt8] = []
        let replaced = try found.decode(file.region) { text.append(contentsOf: $0) }
        self.init(
            text: String(validating: text, as: UTF8.self) ?? "invalid UTF-8", encoding: found.name,
            replaced: replaced.all)
    }
}

extension String {
    /// Encodes with iconv, independently of the code under test.
    func encoded(_ name: String) -> [UInt8] {
        guard let converter = iconv_open(name, "UTF-8"), converter != iconv_t(bitPattern: -1) else {
            fatalError("iconv has no \(name)")
        }
        defer { iconv_close(converter) }
        var input = Array(utf8).map { CChar(bitPattern: $0) }
        var output = [CChar](repeating: 0, count: 8 * input.count + 64)
        let count = input.withUnsafeMutableBufferPointer { input in
            output.withUnsafeMutableBufferPointer { output in
                var (rest, left) = (input.baseAddress, input.count)
                var (end, free) = (output.baseAddress, output.count)
                guard iconv(converter, &rest, &left, &end, &free) != -1 else { fatalError("not in \(name): \(self)") }
                iconv(converter, nil, nil, &end, &free)
                return output.count - free
            }
        }
        return output[..<count].map { UInt8(bitPattern: $0) }
    }
}
