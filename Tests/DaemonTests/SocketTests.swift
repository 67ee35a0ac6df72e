import Daemon
import Foundation
import Interface
import Jobs
import Logging
import Models
import Settings
import Synchronization
import TestSupport
import Testing
import Tokenizers
import Varlink
import VarlinkServer

/// Clients of a socket with real models: disconnections and invalid input.
@Suite(.timeLimit(.minutes(15))) struct SocketTests {
    /// Serves an untrained masked and an untrained causal model on a socket.
    private func withModels(
        limit: Int = 8, _ body: @escaping @Sendable (_ socket: String) throws -> Void
    ) async throws {
        let directory = StateDirectory(root: "/tmp/socket-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(atPath: directory.root) }
        let tokenizer = try BPETrainer(vocabularySize: BPETrainer.smallestVocabulary, minFrequency: 1).train()
        let registry = ModelRegistry(directory: directory)
        let models = [ModelSettings(name: "mlm", objective: .mlm), ModelSettings(name: "clm", objective: .clm)]
        for model in models {
            let folder = directory.generation(1, of: model.name)
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            // Large enough for generation to take a while.
            let configuration = RobertaConfiguration(
                vocabSize: tokenizer.vocabularySize, hiddenSize: 256, numHiddenLayers: 4, numAttentionHeads: 4,
                intermediateSize: 1024, maxPositionEmbeddings: 1026, isDecoder: model.objective == .clm)
            try ModelDirectory.write(RobertaModel.initialized(configuration: configuration, seed: 3), to: folder)
            try tokenizer.save(directory: folder, modelMaxLength: 1024)
            try FileManager.default.createSymbolicLink(
                atPath: directory.current(of: model.name), withDestinationPath: "1")
            _ = try await registry.loadCurrent(model.name)
        }
        var settings = Settings.builtIn
        settings.models = models
        settings.serving.maxConcurrentRequests = limit
        // All clients of a test are the same user.
        settings.serving.maxConcurrentRequestsPerUser = limit
        var service = VarlinkService(vendor: "", product: "", version: "", url: "")
        InferenceService(settings: ReloadableSettings(settings), registry: registry) { _ in "" }.register(
            with: &service)
        let socket = directory.root + "/socket"
        let server = VarlinkServer(
            service: service, listener: .path(socket), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let (listening, isListening) = AsyncStream.makeStream(of: Void.self)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await server.run { isListening.yield() } }
            for await _ in listening { break }
            let result: Result<Void, any Error>
            do { result = .success(try await blocking { try body(socket) }) } catch { result = .failure(error) }
            group.cancelAll()
            try result.get()
        }
    }

    /// Greedy, so that generation does not end before its maximum length.
    private static func call(_ tokens: Int) -> InferenceInterface.Generate.Parameters {
        .init(prompt: "Reason", sampling: .init(maxNewTokens: tokens, temperature: 0, seed: 5))
    }

    @Test func disconnectingFreesTheSlotAndLeavesOtherAnswersUnchanged() async throws {
        try await withModels(limit: 2) { socket in
            func client() throws -> VarlinkClient {
                try VarlinkClient(path: socket, errors: InferenceInterface.errors)
            }
            let alone = try client().call(InferenceInterface.Generate.self, Self.call(900))
            try #require(alone.generatedTokens == 900)

            // One runs to its end; the other takes the second slot and disconnects after its first piece.
            let steady = try client().callMore(InferenceInterface.Generate.self, Self.call(900))
            var text = try #require(try steady.next()).text
            let leaving = try RawConnection(path: socket)
            let call = try VarlinkCoding.encodeCall(InferenceInterface.Generate.self, Self.call(900), more: true)
            leaving.send(String(decoding: call, as: UTF8.self))
            #expect(try leaving.receive()?.contains("continues") == true)
            #expect {
                try client().call(InferenceInterface.Generate.self, Self.call(1))
            } throws: { $0 is InferenceInterface.Overloaded }
            leaving.hangUp()
            var next: VarlinkReplies<InferenceInterface.Generate>?
            while next == nil {
                do {
                    let replies = try client().callMore(InferenceInterface.Generate.self, Self.call(900))
                    if try replies.next() != nil { next = replies }
                } catch is InferenceInterface.Overloaded {}
            }
            // The freed slot is not that of the other generation, which is still in progress: both slots are in use
            // again.
            #expect {
                try client().call(InferenceInterface.Generate.self, Self.call(1))
            } throws: { $0 is InferenceInterface.Overloaded }
            next = nil
            while let reply = try steady.next() { text += reply.text }
            #expect(text == alone.text)
        }
    }

    struct Bad: CustomTestStringConvertible, Sendable {
        var what: String
        var method: String
        var parameters: String
        /// Expected contents of the reply.
        var reply: String
        var testDescription: String { what }
    }

    static let long = String(repeating: "word ", count: 200_000)
    static let bad = [
        Bad(
            what: "NUL in a text", method: "FillMask", parameters: #"{"text":"a\u0000b <mask>","top_k":1}"#,
            reply: #""masks":[{"fillings":[{"#),
        Bad(
            what: "NUL in a prompt", method: "Generate",
            parameters: #"{"prompt":"a\u0000","sampling":{"max_new_tokens":2,"seed":1}}"#, reply: #""text":""#),
        Bad(
            what: "a NUL is kept", method: "Tokenize", parameters: #"{"text":"\u0000"}"#, reply: #""tokens":["Ā"]"#),
        Bad(
            what: "half a surrogate pair", method: "Generate", parameters: #"{"prompt":"a\ud800b"}"#,
            reply: #"InvalidParameter","parameters":{"parameter":"prompt"}"#),
        Bad(
            what: "the other half", method: "FillMask", parameters: #"{"text":"<mask>\udc00"}"#,
            reply: #"InvalidParameter","parameters":{"parameter":"text"}"#),
        Bad(
            what: "1 MB prompt", method: "Generate", parameters: #"{"prompt":"\#(long)"}"#,
            reply: #"PromptTooLong","parameters":{"limit":1024,"tokens":"#),
        Bad(
            what: "1 MB with a mask", method: "FillMask", parameters: #"{"text":"\#(long)<mask>"}"#,
            reply: #"PromptTooLong","parameters":{"limit":1024,"tokens":"#),
        Bad(
            what: "1 MB tokenized", method: "Tokenize", parameters: #"{"text":"\#(long)"}"#, reply: #""ids":[91,"#),
        Bad(
            what: "no mask", method: "FillMask", parameters: #"{"text":""}"#,
            reply: #"NoMask","parameters":{"text":""}"#),
        Bad(
            what: "an unknown field", method: "FillMask", parameters: #"{"text":"<mask>","topk":1}"#,
            reply: #"InvalidParameter","parameters":{"parameter":"topk"}"#),
        Bad(
            what: "an unknown field in a field", method: "Generate",
            parameters: #"{"prompt":"a","sampling":{"temprature":1}}"#,
            reply: #"InvalidParameter","parameters":{"parameter":"sampling.temprature"}"#),
        Bad(
            what: "a wrong type", method: "FillMask", parameters: #"{"text":7}"#,
            reply: #"InvalidParameter","parameters":{"parameter":"text"}"#),
        Bad(
            what: "a wrong type in a field", method: "Generate",
            parameters: #"{"prompt":"a","sampling":{"stop":"x"}}"#,
            reply: #"InvalidParameter","parameters":{"parameter":"sampling.stop"}"#),
        Bad(
            what: "a list with a hole", method: "Detokenize", parameters: #"{"ids":[1,null]}"#,
            reply: #"InvalidParameter","parameters":{"parameter":"ids[1]"}"#),
        Bad(
            what: "a huge whole number", method: "FillMask",
            parameters: #"{"text":"<mask>","top_k":99999999999999999999999}"#,
            reply: #"InvalidParameter","parameters":{"parameter":"top_k"}"#),
        Bad(
            what: "a number beyond every double", method: "Generate",
            parameters: #"{"prompt":"a","sampling":{"temperature":1e999}}"#,
            reply: #"InvalidParameter","parameters":{"parameter":"sampling.temperature"}"#),
        Bad(
            what: "a token that does not exist", method: "Detokenize", parameters: #"{"ids":[4294967296]}"#,
            reply: #"InvalidParameter","parameters":{"parameter":"ids"}"#),
        Bad(
            what: "fewer than no candidates", method: "FillMask", parameters: #"{"text":"<mask>","top_k":-9}"#,
            reply: #"InvalidParameter","parameters":{"parameter":"top_k"}"#),
        Bad(
            what: "more tokens than can be", method: "Generate",
            parameters: #"{"prompt":"a","sampling":{"max_new_tokens":9223372036854775807,"temperature":0}}"#,
            reply: #""finish_reason":""#),
        Bad(
            what: "the least candidates there can be", method: "FillMask",
            parameters: #"{"text":"<mask>","top_k":-9223372036854775808}"#,
            reply: #"InvalidParameter","parameters":{"parameter":"top_k"}"#),
        Bad(
            what: "as many candidates as can be", method: "FillMask",
            parameters: #"{"text":"<mask>","top_k":9223372036854775807}"#, reply: #""masks":[{"fillings":[{"#),
        Bad(
            what: "hundreds of masks", method: "FillMask",
            parameters: #"{"text":"\#(String(repeating: "<mask> ", count: 300))"}"#,
            reply: #"InvalidParameter","parameters":{"parameter":"text"}"#),
        Bad(
            what: "candidates for a long text", method: "FillMask",
            parameters:
                #"{"text":"\#(String(repeating: "<mask>", count: 100))\#(String(repeating: "7", count: 800))","top_k":300}"#,
            reply: #"InvalidParameter","parameters":{"parameter":"top_k"}"#),
        Bad(
            what: "a hundred thousand targets", method: "FillMask",
            parameters: #"{"text":"<mask>","targets":[\#(String(repeating: #""a","#, count: 100_000))"b"]}"#,
            reply: #"InvalidParameter","parameters":{"parameter":"targets"}"#),
        Bad(
            what: "many ends", method: "Generate",
            parameters: #"{"prompt":"a","sampling":{"stop":[\#(String(repeating: #""a","#, count: 100))"b"]}}"#,
            reply: #"InvalidParameter","parameters":{"parameter":"stop"}"#),
        Bad(
            what: "a long end", method: "Generate",
            parameters: #"{"prompt":"a","sampling":{"stop":["\#(String(repeating: "a", count: 5000))"]}}"#,
            reply: #"InvalidParameter","parameters":{"parameter":"stop"}"#),
        Bad(
            what: "the least seed there can be", method: "Generate",
            parameters:
                #"{"prompt":"a","sampling":{"max_new_tokens":1,"seed":-9223372036854775808}}"#,
            reply: #""seed":-9223372036854775808"#),
        Bad(
            what: "the least number of tokens there can be", method: "Generate",
            parameters: #"{"prompt":"a","sampling":{"max_new_tokens":-9223372036854775808}}"#,
            reply: #"InvalidParameter","parameters":{"parameter":"max_new_tokens"}"#),
        Bad(
            what: "more ids than a reply is made of", method: "Detokenize",
            parameters: #"{"ids":[\#(String(repeating: "9,", count: 280_000))9]}"#,
            reply: #"InvalidParameter","parameters":{"parameter":"ids"}"#),
        Bad(
            what: "more values than anybody sends", method: "Detokenize",
            parameters: #"{"ids":[\#(String(repeating: "9,", count: 400_000))9]}"#,
            reply: #"InvalidParameter","parameters":{"parameter":"parameters"}"#),
        Bad(
            what: "nothing to generate", method: "Generate",
            parameters: #"{"prompt":"a","sampling":{"max_new_tokens":0}}"#, reply: #""generated_tokens":0"#),
        Bad(
            what: "a prompt of a token that does not exist", method: "Generate",
            parameters: #"{"prompt":"","ids":[5,4294967296]}"#,
            reply: #"InvalidParameter","parameters":{"parameter":"ids"}"#),
        Bad(
            what: "a prompt of a negative token", method: "Generate", parameters: #"{"prompt":"","ids":[-1]}"#,
            reply: #"InvalidParameter","parameters":{"parameter":"ids"}"#),
        Bad(
            what: "a prompt of no tokens", method: "Generate", parameters: #"{"prompt":"","ids":[]}"#,
            reply: #"InvalidParameter","parameters":{"parameter":"ids"}"#),
        Bad(
            what: "two prompts", method: "Generate", parameters: #"{"prompt":"a","ids":[5]}"#,
            reply: #"InvalidParameter","parameters":{"parameter":"prompt"}"#),
        Bad(
            what: "a prompt of more tokens than fit", method: "Generate",
            parameters: #"{"prompt":"","ids":[\#(String(repeating: "9,", count: 200_000))9]}"#,
            reply: #"PromptTooLong","parameters":{"limit":1024,"tokens":200001}"#),
        Bad(
            what: "as many likely tokens as can be", method: "Generate",
            parameters: #"{"prompt":"a","logprobs":9223372036854775807}"#,
            reply: #"InvalidParameter","parameters":{"parameter":"logprobs"}"#),
        Bad(
            what: "the least likely tokens there can be", method: "Generate",
            parameters: #"{"prompt":"a","logprobs":-9223372036854775808}"#,
            reply: #"InvalidParameter","parameters":{"parameter":"logprobs"}"#),
        Bad(
            what: "more tokens than are listed", method: "Score", parameters: #"{"text":"\#(long)","tokens":true}"#,
            reply: #"PromptTooLong","parameters":{"limit":65536,"tokens":"#),
        Bad(
            what: "a hundred thousand embeddings", method: "Embed",
            parameters: #"{"texts":[\#(String(repeating: #""a","#, count: 100_000))"b"]}"#,
            reply: #"InvalidParameter","parameters":{"parameter":"texts"}"#),
        Bad(
            what: "an embedding of 1 MB", method: "Embed", parameters: #"{"texts":["a","\#(long)"]}"#,
            reply: #"PromptTooLong","parameters":{"limit":1024,"tokens":"#),
        Bad(
            what: "no embeddings", method: "Embed", parameters: #"{"texts":[]}"#, reply: #""embeddings":[]"#),
        Bad(
            what: "a word without end", method: "Score",
            parameters: #"{"text":"\#(String(repeating: "a", count: 1 << 20))"}"#,
            reply: #"InvalidParameter","parameters":{"parameter":"text"}"#),
        Bad(
            what: "a long text without a mask", method: "FillMask",
            parameters: #"{"text":"\#(long)"}"#, reply: #"NoMask","parameters":{"text":"word word"#),
    ]

    @Test func invalidInputIsAnsweredAndTheConnectionStaysOpen() async throws {
        try await withModels { socket in
            let connection = try RawConnection(path: socket)
            for bad in Self.bad {
                connection.send(#"{"method":"io.kantaibert.Inference.\#(bad.method)","parameters":\#(bad.parameters)}"#)
                let reply = try connection.receive()
                #expect(
                    reply?.contains(bad.reply) == true,
                    "\(bad.what): \(reply.map { String($0.prefix(300)) } ?? "closed")")
            }
            connection.send(#"{"method":"io.kantaibert.Inference.FillMask","parameters":{"text":"<mask>"}}"#)
            #expect(try connection.receive()?.contains("masks") == true)
        }
    }
}

/// A connection that sends arbitrary bytes.
private final class RawConnection {
    private let handle: FileHandle
    private var framer = MessageFramer(limit: 256 << 20)

    init(path: String) throws {
        var address = try #require(UnixAddress.make(path))
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        try #require(UnixAddress.with(&address) { connect(descriptor, $0, $1) } == 0)
    }

    func send(_ message: String) { try? handle.write(contentsOf: Data(message.utf8) + [0]) }

    func hangUp() { try? handle.close() }

    /// Returns nil if the peer has closed the connection.
    func receive() throws -> String? {
        while true {
            if let message = try framer.next() { return String(decoding: message, as: UTF8.self) }
            let piece = handle.availableData
            if piece.isEmpty { return nil }
            framer.append(piece)
        }
    }
}
