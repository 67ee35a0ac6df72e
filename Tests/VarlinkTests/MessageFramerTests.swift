import Testing
import Varlink

@Suite struct MessageFramerTests {
    @Test(arguments: [1, 2, 3, 5, 100])
    func messagesDoNotDependOnChunkSize(pieceSize: Int) throws {
        let texts = ["{}", "", #"{"a":1}"#, String(repeating: "x", count: 9)]
        let messages: [[UInt8]] = texts.map { Array($0.utf8) }
        let stream: [UInt8] = messages.flatMap { $0 + [0] }
        var framer = MessageFramer(limit: 9)
        var found: [[UInt8]] = []
        for start in stride(from: 0, to: stream.count, by: pieceSize) {
            framer.append(stream[start..<min(start + pieceSize, stream.count)])
            while let message = try framer.next() { found.append(message) }
        }
        #expect(found == messages)
        #expect(framer.bufferedBytes == 0)
    }

    @Test func incompleteMessageIsNotReturned() throws {
        var framer = MessageFramer(limit: 100)
        framer.append(Array(#"{"method":"#.utf8))
        #expect(try framer.next() == nil)
        #expect(framer.bufferedBytes == 10)
    }

    @Test(arguments: [[], [0]] as [[UInt8]])
    func rejectsMessagesOverTheLimit(end: [UInt8]) throws {
        var framer = MessageFramer(limit: 4)
        framer.append([1, 2, 3, 4, 0] + [1, 2, 3, 4, 5] + end)
        #expect(try framer.next() == [1, 2, 3, 4])
        #expect(throws: MessageFramer.MessageTooLarge(limit: 4)) { try framer.next() }
    }
}
