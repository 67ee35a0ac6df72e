import Foundation
import Glibc
import Interface
import Testing
import Varlink

/// The service must not store prompts and answers.
@Suite(
    "Privacy of prompts and answers", .serialized, .timeLimit(.minutes(30)),
    .enabled(if: Programs.areBuilt, "\(Programs.missing)"))
struct PrivacyTests {
    private static let settings = """
        models: [kantaibert, assistant]
        kantaibert: {objective: mlm, preset: tiny}
        assistant: {objective: clm, preset: tiny}
        serving:
          max_concurrent_requests: 2
        socket:
          max_request_bytes: 65536
        logging:
          level: trace
        """
    private static let marker = "Zyxwmarker"

    /// Sends requests of all kinds, including invalid ones, and returns the answers.
    private func sendRequests(_ service: RunningService) throws -> [String] {
        let marker = Self.marker
        let long = String(repeating: "\(marker) ", count: 2000)
        var answers: [String] = []
        var errors: Set<String> = []
        func call<M: VarlinkMethod>(_ method: M.Type, _ parameters: M.Parameters) throws -> M.Reply? {
            do {
                return try service.client().call(M.self, parameters)
            } catch {
                errors.insert("\(type(of: error))")
                return nil
            }
        }
        let filled = try call(InferenceInterface.FillMask.self, .init(text: "the \(marker) <mask>"))
        answers += filled?.masks.flatMap(\.fillings).map(\.sequence) ?? []
        _ = try call(InferenceInterface.FillMask.self, .init(text: "no \(marker) mask"))
        _ = try call(InferenceInterface.FillMask.self, .init(text: "\(long) <mask>"))
        _ = try call(InferenceInterface.FillMask.self, .init(text: "a <mask>", targets: [marker]))
        _ = try call(InferenceInterface.FillMask.self, .init(text: "\(marker) <mask>", topK: -1))
        _ = try call(InferenceInterface.FillMask.self, .init(text: "\(marker) <mask>", model: "nobody"))
        for sampling in [
            InferenceInterface.Sampling(maxNewTokens: 30, seed: 1),
            .init(temperature: -1), .init(maxNewTokens: 5, stop: [marker]), .init(topP: 7),
        ] {
            let made = try call(
                InferenceInterface.Generate.self, .init(prompt: "the \(marker)", model: "assistant", sampling: sampling)
            )
            if let text = made?.text, text.utf8.count >= 12 { answers.append(text) }
        }
        _ = try call(InferenceInterface.Generate.self, .init(prompt: long, model: "assistant"))
        _ = try call(InferenceInterface.Score.self, .init(text: marker))
        _ = try call(InferenceInterface.Score.self, .init(text: long))
        _ = try call(InferenceInterface.Tokenize.self, .init(text: marker))
        _ = try call(InferenceInterface.Score.self, .init(text: String(repeating: marker, count: 10_000)))
        #expect(errors.count >= 3, "\(errors)")

        // Exceed the number of concurrent requests, and hang up on each.
        let clients = try (0..<8).map { _ in try service.client() }
        for client in clients {
            _ = try client.callMore(
                InferenceInterface.Generate.self, .init(prompt: "the \(marker)", model: "assistant"))
        }
        // Send invalid calls.
        for text in [
            "\(marker)", "{\"\(marker)\"", "{\"method\":\"\(marker)\"}", "{\"method\":5,\"parameters\":\"\(marker)\"}",
            "{\"method\":\"io.kantaibert.Inference.FillMask\",\"parameters\":{\"text\":[\"\(marker)\"]}}",
            "{\"method\":\"io.kantaibert.Inference.FillMask\",\"parameters\":{\"text\":\"<mask>\",\"\(marker)\":1}}",
            "{\"method\":\"io.kantaibert.Inference.FillMask\",\"parameters\":{\"text\":\"\(marker) \\ud800 <mask>\"}}",
        ] {
            let socket = OpenDescriptor(try UnixAddress.connect(to: service.socket))
            let bytes = Array(text.utf8) + [0]
            #expect(send(socket.number, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count)
            shutdown(socket.number, Int32(SHUT_WR))
            var reply = [UInt8](repeating: 0, count: 4096)
            while recv(socket.number, &reply, reply.count, 0) > 0 {}
        }
        for arguments in [
            ["ask", "the \(marker)", "-m", "assistant"], ["fill", "\(marker) <mask>"], ["score", marker],
            ["fill", marker], ["ask", "the \(marker)", "--temperature=-1"],
        ] {
            _ = try Programs.run("kbctl", arguments + ["--socket", service.socket])
        }
        return answers
    }

    /// Sends similar requests over HTTP if kantaibert-web is built.
    private func sendHTTPRequests(_ service: RunningService) throws {
        let program = Programs.folder + "/kantaibert-web"
        guard FileManager.default.isExecutableFile(atPath: program) else { return }
        let page = Process()
        let log = service.folder + "/web.log"
        try Data().write(to: URL(filePath: log))
        page.executableURL = URL(filePath: program)
        page.arguments = ["--socket", service.socket, "--listen", "127.0.0.1:0"]
        page.standardError = try FileHandle(forWritingTo: URL(filePath: log))
        page.standardInput = FileHandle.nullDevice
        try page.run()
        defer {
            page.terminate()
            page.waitUntilExit()
        }
        let deadline = Date(timeIntervalSinceNow: 300)
        var port: UInt16?
        while port == nil, Date() < deadline {
            let text = try String(contentsOfFile: log, encoding: .utf8)
            port = text.components(separatedBy: "http://127.0.0.1:").dropFirst().first.flatMap {
                UInt16($0.prefix { $0.isNumber })
            }
            if port == nil { usleep(20_000) }
        }
        let asked = try #require(port, "kantaibert-web does not listen")
        let marker = Self.marker
        for (path, body) in [
            ("/v1/completions", #"{"model":"assistant","prompt":"the \#(marker)","max_tokens":8}"#),
            ("/v1/completions", #"{"model":"assistant","prompt":"the \#(marker)","max_tokens":8,"stream":true}"#),
            ("/v1/completions", #"{"model":"assistant","prompt":"\#(marker)","temperature":-3}"#),
            ("/v1/completions", #"{"prompt":{"\#(marker)":1}}"#), ("/v1/completions", marker),
            ("/v1/completions", #"{"prompt":"a","\#(marker)":1}"#),
            ("/v1/fill-mask", #"{"text":"\#(marker) <mask>"}"#), ("/v1/fill-mask", #"{"text":"\#(marker)"}"#),
            ("/v1/fill-mask", #"{"text":"\#(String(repeating: marker, count: 9000)) <mask>"}"#),
        ] {
            let socket = OpenDescriptor(socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0))
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = asked.bigEndian
            address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
            let connected = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    connect(socket.number, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
            try #require(connected == 0)
            let request = Array(
                ("POST \(path) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n"
                    + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)").utf8)
            var sent = 0
            while sent < request.count {
                let count = request[sent...].withUnsafeBytes {
                    send(socket.number, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
                }
                guard count > 0 else { break }
                sent += count
            }
            var reply = [UInt8](repeating: 0, count: 4096)
            let count = recv(socket.number, &reply, reply.count, 0)
            #expect(String(decoding: reply.prefix(max(0, count)), as: UTF8.self).hasPrefix("HTTP/1.1 "))
        }
    }

    @Test("No log or file contains prompts or answers, at log level trace and after errors")
    func promptsAndAnswersAreNotStored() throws {
        let service = try RunningService(settings: Self.settings)
        try service.serve("mlm", as: "kantaibert")
        try service.serve("clm", as: "assistant")
        try service.start()
        let answers = try sendRequests(service)
        try sendHTTPRequests(service)
        _ = try service.client().call(ManagerInterface.GetStatus.self, .init())
        #expect(try service.stop().status == 0)
        let root = service.folder
        var looked = 0
        for name in try FileManager.default.subpathsOfDirectory(atPath: root) {
            var status = stat()
            guard stat("\(root)/\(name)", &status) == 0, status.st_mode & S_IFMT == S_IFREG else { continue }
            let bytes = try Data(contentsOf: URL(filePath: "\(root)/\(name)"))
            looked += 1
            for text in [Self.marker] + answers {
                if let found = bytes.range(of: Data(text.utf8)) {
                    let around = bytes[max(0, found.lowerBound - 200)..<min(bytes.count, found.upperBound + 20)]
                    Issue.record("\(name) contains ‘\(text)’: …\(String(decoding: around, as: UTF8.self))…")
                }
            }
        }
        #expect(looked > 5)
        #expect(service.logText.contains("trace") || service.logText.utf8.count > 100)
    }
}
