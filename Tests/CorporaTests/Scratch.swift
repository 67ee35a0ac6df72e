import Corpora
import Durable
import FoundationEssentials
import TestSupport
import TextReading

/// A temporary inbox and store, removed with the last reference.
final class Scratch: Sendable {
    let path: String
    var inbox: String { "\(path)/inbox" }
    var corpus: String { "\(path)/corpus" }
    var rejected: String { "\(path)/inbox/.rejected" }

    init() throws {
        path = FileManager.default.temporaryDirectory.appending(path: "corpora-\(UUID().uuidString)").path()
        try FileManager.default.createDirectory(atPath: inbox, withIntermediateDirectories: true)
    }

    func store(tell: @escaping @Sendable (StoreNotice) -> Void = { _ in }) throws -> CorpusStore {
        let store = CorpusStore(
            directory: corpus, inbox: inbox, reader: BuiltProgram.path(of: "kantaibert-read"), tell: tell)
        try store.prepare()
        return store
    }

    @discardableResult
    func drop(_ name: String, _ bytes: some Sequence<UInt8>) throws -> InboxFile {
        let path = "\(inbox)/\(name)"
        try Data(bytes).write(to: URL(filePath: path))
        return InboxFile(path: path, name: name, signature: FileSignature(path: path)!)
    }

    @discardableResult
    func drop(_ name: String, _ text: String) throws -> InboxFile { try drop(name, Array(text.utf8)) }

    func makeFolder(_ name: String) throws {
        try FileManager.default.createDirectory(atPath: "\(inbox)/\(name)", withIntermediateDirectories: true)
    }

    func names(_ folder: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
    }

    func text(_ path: String) -> String? {
        FileManager.default.contents(atPath: path).map { String(decoding: $0, as: UTF8.self) }
    }

    // Durable.removeTree, because the directory may contain a tree that is too deep for a recursive removal.
    deinit { try? Durable.removeTree(path) }
}
