import Glibc
import Testing
import Varlink

@Suite struct DescriptorPassingTests {
    private let ends: (OpenDescriptor, OpenDescriptor)

    init() throws {
        var pair: [Int32] = [0, 0]
        try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &pair) == 0)
        ends = (OpenDescriptor(pair[0]), OpenDescriptor(pair[1]))
    }

    private func inode(_ descriptor: Int32) -> ino_t {
        var status = stat()
        fstat(descriptor, &status)
        return status.st_ino
    }

    @Test(arguments: [1, 2, 3, 8]) func preservesOrderAndSetsCloseOnExec(count: Int) throws {
        let files = (0..<count).map { _ in
            var pipe: [Int32] = [0, 0]
            Glibc.pipe(&pipe)
            close(pipe[1])
            return OpenDescriptor(pipe[0])
        }
        try DescriptorPassing.send(files.map(\.number), over: ends.0.number)
        let received = try DescriptorPassing.receive(atMost: 8, over: ends.1.number)
        #expect(received.map { inode($0.number) } == files.map { inode($0.number) })
        #expect(received.allSatisfy { fcntl($0.number, F_GETFD) & FD_CLOEXEC != 0 })
    }

    @Test(arguments: [(3, 4), (3, 5), (8, 9), (8, 200)])
    func closesDescriptorsOverTheLimit(limit: Int, sent: Int) throws {
        var pipe: [Int32] = [0, 0]
        try #require(Glibc.pipe(&pipe) == 0)
        try DescriptorPassing.send(Array(repeating: pipe[1], count: sent), over: ends.0.number)
        close(pipe[1])
        #expect(throws: DescriptorPassingError.tooMany(limit: limit)) {
            try DescriptorPassing.receive(atMost: limit, over: ends.1.number)
        }
        // The other end of the pipe is closed: no received descriptor remained open.
        var byte: UInt8 = 0
        #expect(read(pipe[0], &byte, 1) == 0)
        close(pipe[0])
    }

    @Test func messageWithoutDescriptorsIsEmpty() throws {
        try DescriptorPassing.send([], over: ends.0.number)
        #expect(try DescriptorPassing.receive(atMost: 8, over: ends.1.number).isEmpty)
    }

    @Test func endOfStreamIsReportedAsClosed() throws {
        shutdown(ends.0.number, Int32(SHUT_WR))
        #expect(throws: DescriptorPassingError.closed) { try DescriptorPassing.receive(atMost: 8, over: ends.1.number) }
    }
}
