import Corpora
import Durable
import Foundation
import Testing
import TextReading

struct SingleFileTests {
    private func read(_ path: String, temporaryDirectory: String) throws -> SingleFile.Text {
        try SingleFile.read(path, reader: nil, temporaryDirectory: temporaryDirectory)
    }

    @Test func textHasNoNameInTheTemporaryDirectory() throws {
        let scratch = try Scratch()
        let file = try scratch.drop("a.txt", "some text\n".utf8)
        let temporary = "\(scratch.path)/temporary"
        try FileManager.default.createDirectory(atPath: temporary, withIntermediateDirectories: false)
        let text = try read(file.path, temporaryDirectory: temporary)
        #expect(try FileManager.default.contentsOfDirectory(atPath: temporary).isEmpty)
        #expect(try text.withPath { try Durable.read($0) } == Array("some text\n".utf8))
    }

    @Test func filesThatTheInboxLeavesAreRejected() throws {
        let scratch = try Scratch()
        for (name, reason) in [
            ("a.txt.part", "unfinished"), ("desktop.ini", "operating system"), (".hidden.txt", "is hidden"),
        ] {
            let path = "\(scratch.path)/\(name)"
            try Data("some text\n".utf8).write(to: URL(filePath: path))
            let error = #expect(throws: SingleFile.Rejected.self) {
                try read(path, temporaryDirectory: scratch.path)
            }
            #expect(error?.reason.contains(reason) == true)
        }
    }

    @Test func nameNeedsNotBeUTF8() throws {
        let scratch = try Scratch()
        let path = RawPath.text(Array("\(scratch.path)/caf".utf8) + [0xE9] + Array(".csv".utf8))
        let descriptor = path.withRawPath { open($0, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600) }
        try #require(descriptor >= 0)
        try FileHandle(fileDescriptor: descriptor, closeOnDealloc: true).write(contentsOf: Data("text\none\n".utf8))
        let text = try read(path, temporaryDirectory: scratch.path)
        #expect(text.report.isStructured)
        #expect(try text.withPath { try Durable.read($0) } == Array("one\n".utf8))
    }
}
