import FoundationEssentials
import Jobs
import Models
import Training
import Tokenizers

/// Two untrained models of preset `kantaibert` with a vocabulary of 52,000, for measuring speed, which does not depend
/// on the weights.
struct RandomModels {
    let mlm: String
    let clm: String

    /// - Parameter folder: contains `mlm` and `clm`; existing models are reused
    init(folder: String) throws {
        mlm = folder + "/mlm"
        clm = folder + "/clm"
        let tokenizer = try Self.tokenizer()
        for (directory, objective) in [(mlm, Objective.mlm), (clm, .clm)] {
            if FileManager.default.fileExists(atPath: directory) { continue }
            let configuration = try RobertaConfiguration(
                Preset.kantaibert.architecture, rows: tokenizer.vocabularySize, objective: objective)
            let aside = directory + ".tmp"
            try? FileManager.default.removeItem(atPath: aside)
            try FileManager.default.createDirectory(atPath: aside, withIntermediateDirectories: true)
            try ModelDirectory.write(RobertaModel.initialized(configuration: configuration, seed: 1), to: aside)
            try tokenizer.save(directory: aside, modelMaxLength: 512)
            try FileManager.default.moveItem(atPath: aside, toPath: directory)
        }
    }

    /// Trains a tokenizer in which the words of the benchmarks are single tokens; the other
    /// tokens are random syllables.
    private static func tokenizer() throws -> ByteLevelBPETokenizer {
        let trainer = try BPETrainer(vocabularySize: 52_000, minFrequency: 1)
        let known = FillMaskTiming.sentences + [GenerateTiming.prompt, GenerateTiming.longText]
        var text = String(repeating: known.joined(separator: " ") + " ", count: 20)
        let vowels = Array("aeiou")
        var state: UInt32 = 1
        for _ in 0..<60_000 {
            for _ in 0..<4 {
                state = state &* 1_664_525 &+ 1_013_904_223
                text.append(Character(UnicodeScalar(UInt8(97 + (state >> 24) % 26))))
                text.append(vowels[Int((state >> 16) % 5)])
            }
            text.append(" ")
        }
        Array(text.utf8).withUnsafeBytes { trainer.addSequence($0) }
        return try trainer.train()
    }
}
