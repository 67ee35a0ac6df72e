import Durable
import Glibc
import Testing

struct UnnamedFileTests {
    @Test func unnamedFileIsReadThroughItsPathAndLeavesNothing() throws {
        let scratch = try Scratch()
        let file = try UnnamedFile(in: scratch.path)
        try Array("text".utf8).withUnsafeBytes { try file.append($0) }
        #expect(try scratch.names().isEmpty)
        for _ in 0..<2 { #expect(try file.withPath { try Durable.read($0) } == Array("text".utf8)) }
        #expect(throws: DurableError.self) { try UnnamedFile(in: scratch("missing")) }
    }

    @Test func siblingIsInTheFolderOfTheProgram() throws {
        let program = try OwnProgram.path()
        #expect(access(program, X_OK) == 0)
        let folder = program[..<(try #require(program.lastIndex(of: "/")))]
        #expect(try OwnProgram.sibling("other") == folder + "/other")
    }
}
