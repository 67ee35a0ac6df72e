import DocumentReading
import Glibc
import TextReading

/// A file without a name, which holds the documents of one test.
final class DocumentFile {
    private let descriptor: Int32
    private var end = 0

    init() {
        var template = Array("/tmp/documents-XXXXXX".utf8CString)
        descriptor = mkstemp(&template)
        precondition(descriptor >= 0, "mkstemp: \(String(cString: strerror(errno)))")
        unlink(template)
    }

    deinit { close(descriptor) }

    func region(_ bytes: some Sequence<UInt8>) -> FileRegion {
        let bytes = Array(bytes)
        let count = pwrite(descriptor, bytes, bytes.count, off_t(end))
        precondition(count == bytes.count, "pwrite: \(String(cString: strerror(errno)))")
        defer { end += bytes.count }
        return FileRegion(descriptor: descriptor, offset: end, bytes: bytes.count)
    }

    func region(_ text: String) -> FileRegion { region(Array(text.utf8)) }
}

/// What a reader made of a document.
struct ConvertedDocument {
    var text: String
    var report: ReadingReport

    /// - Throws: errors thrown by `read`
    init(_ read: (inout CorpusReading) throws -> Void) throws {
        var stored: [UInt8] = []
        var reading = CorpusReading(options: ReadingOptions()) { stored.append(contentsOf: $0) }
        try read(&reading)
        report = reading.report
        text = String(decoding: stored, as: UTF8.self)
    }

    /// Reads markup.
    init(_ kind: Markup, _ bytes: some Sequence<UInt8>) throws {
        let file = DocumentFile()
        try self.init { try kind.read(file.region(bytes), configured: nil, into: &$0) }
    }

    init(_ kind: Markup, _ text: String) throws { try self.init(kind, Array(text.utf8)) }

    /// Reads a document that consists of several members.
    init(packed members: [String: String], configured: String? = nil) throws {
        try self.init(packed: members.mapValues { Array($0.utf8) }, configured: configured)
    }

    init(packed members: [String: [UInt8]], configured: String?) throws {
        let file = DocumentFile()
        let names = Array(members.keys)
        guard let document = PackedDocument(memberNames: names) else { throw RejectionError("not a document") }
        let wanted = document.wantedMembers(names)
        let regions = members.filter { wanted.contains($0.key) }.mapValues { file.region($0) }
        try self.init { try document.read(members: regions, configured: configured, into: &$0) }
    }
}

/// Returns why a document was rejected, or nil if it was not.
func rejection<Result>(_ read: () throws -> Result) throws -> String? {
    do {
        _ = try read()
        return nil
    } catch let error as RejectionError {
        return error.reason.text
    }
}
