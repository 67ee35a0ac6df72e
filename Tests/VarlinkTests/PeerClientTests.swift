import FoundationEssentials
import Glibc
import TestSupport
import Testing
import Varlink
import VarlinkServer

/// Tests the server with an independent client: the package `varlink` from PyPI.
///
/// `KANTAIBERT_PEER_PYTHON` is the Python in which it is installed; by default `python3`.
@Suite(.timeLimit(.minutes(15)), .enabled(if: PeerPython.hasVarlink, "needs Python with the package ‘varlink’"))
struct PeerClientTests {
    @Test func introspectsCallsAndStreams() async throws {
        let output = try await withServer { socket in
            try await blocking { try PeerPython.run(program, [socket]) }
        }
        #expect(
            output == """
                ['org.varlink.service', 'org.example.test']
                {'text': 'aaa'}
                [1, 2, 3]
                org.example.test.Refused {'text': 'no'}
                org.varlink.service.InvalidParameter text

                """)
    }

    private let program = """
        import sys, varlink
        client = varlink.Client.new_with_address("unix:" + sys.argv[1])
        print(client.get_interfaces() and [str(name) for name in client.get_interfaces()])
        with client.open("org.example.test") as test:
            print(test.Echo("a", 3))
            print([reply["number"] for reply in test.Count(3, _more=True)])
            try:
                test.Fail("refused")
            except varlink.VarlinkError as error:
                print(error.error(), error.parameters())
            try:
                test._call("Echo", times=3)
            except varlink.VarlinkError as error:
                print(error.error(), error.parameters()["parameter"])
        """
}

enum PeerPython {
    static let hasVarlink = (try? run("import varlink", [])) != nil

    struct Failed: Error {
        let status: Int32
        let output: String
    }

    /// Runs a Python program and returns its output. Throws if it fails.
    static func run(_ program: String, _ arguments: [String]) throws -> String {
        let python = ProcessInfo.processInfo.environment["KANTAIBERT_PEER_PYTHON"] ?? "python3"
        var ends: [Int32] = [0, 0]
        try #require(pipe(&ends) == 0)
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
        posix_spawn_file_actions_adddup2(&actions, ends[1], 2)
        var words = ([python, "-c", program] + arguments).map { strdup($0) } + [nil]
        defer { for word in words { free(word) } }
        var pid: pid_t = 0
        let spawned = posix_spawnp(&pid, python, &actions, nil, &words, environ)
        close(ends[1])
        defer { close(ends[0]) }
        guard spawned == 0 else { throw Failed(status: spawned, output: "\(python) cannot be started") }
        var output: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 4096)
        while case let count = read(ends[0], &piece, piece.count), count > 0 { output += piece[..<count] }
        var status: Int32 = 0
        waitpid(pid, &status, 0)
        let text = String(decoding: output, as: UTF8.self)
        guard status == 0 else { throw Failed(status: status, output: text) }
        return text
    }
}
