import Conversations
import Datasets
import FoundationEssentials
import Jobs
import Testing
import Tokenizers
import Training

/// A run that learns the replies of conversations.
struct ConversationRunTests {
    private static func run(_ objective: Objective = .clm) throws -> TrainingRun {
        let run = try TrainingRun(objective)
        let lines = (0..<200).flatMap { number in
            Conversation([
                .init(.user, "What is \(number) in words \(number % 7)?"),
                .init(.assistant, "It is number \(number % 7)."),
            ]).line + [UInt8(ascii: "\n")]
        }
        let path = "\(run.folder)/chat.jsonl"
        try Data(lines).write(to: URL(filePath: path))
        var corpus = try JobCorpus(file: path, name: "chat.jsonl")
        corpus.samples = .records
        run.job.corpora = [corpus]
        run.job.samples = .auto
        return run
    }

    @Test func publishesTheTemplateAndTheMarkers() throws {
        let run = try Self.run()
        try run.run()
        let directory = run.job.outputDirectory
        let tokenizer = try ByteLevelBPETokenizer.load(directory: directory)
        let markers = try #require(tokenizer.conversationMarkers)
        #expect(
            tokenizer.id(of: "messages") == nil && tokenizer.id(of: "content") == nil, "the stored form was counted")
        let generation = try String(contentsOf: URL(filePath: "\(directory)/generation_config.json"), encoding: .utf8)
        #expect(generation.contains("\(markers.end)"))
        // Every token of a held-out reply, and the marker that ends it, is scored once.
        let evaluation = try #require(run.evaluations.last)
        let heldOut = try String(contentsOf: URL(filePath: run.job.corpora[0].path), encoding: .utf8)
            .split(separator: "\n").map(String.init).filter { HeldOut.contains($0, share: run.job.recipe.heldOut) }
            .compactMap { Conversation(line: Array($0.utf8))?.turns[1].content }
        let tokens = heldOut.reduce(0) { $0 + tokenizer.encode($1, specialTokens: .asText).count + 1 }
        let bytes = heldOut.reduce(0) { $0 + $1.utf8.count }
        let expected = evaluation.loss * Double(tokens) / (0.693_147_180_559_945_3 * Double(bytes))
        #expect(!heldOut.isEmpty && abs(evaluation.bitsPerByte - expected) < 1e-9)
    }

    @Test func maskedModelsLearnTheMessagesAsText() throws {
        let run = try Self.run(.mlm)
        try run.run()
        #expect(try ByteLevelBPETokenizer.load(directory: run.job.outputDirectory).conversationMarkers == nil)
    }

    @Test func interruptedRunGivesTheSameBytes() throws {
        func weights(_ run: TrainingRun) throws -> Data {
            try Data(contentsOf: URL(filePath: "\(run.job.outputDirectory)/model.safetensors"))
        }
        let whole = try Self.run()
        try whole.run()
        let stopped = try Self.run()
        try stopped.run { event, control in
            if case .step(let step) = event, step.step == 9 { control.leave() }
        }
        try stopped.run()
        #expect(try weights(stopped) == weights(whole))
    }
}
