import Durable
import Foundation
import Inference
import Jobs
import Kernels
import Testing

/// The file that holds the packed weights of a generation.
@Suite struct PackedFileTests {
    static func answer(_ engine: InferenceEngine) async throws -> [Filling] {
        try await engine.fillMask("The<mask> of pure reason", topK: 10).masks[0]
    }

    /// Returns the inode of the file, which changes if the file is created again.
    static func inode(_ path: String) throws -> Int {
        try #require(try FileManager.default.attributesOfItem(atPath: path)[.systemFileNumber] as? Int)
    }

    static func temporaries(_ directory: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: directory).filter { $0.hasSuffix(".tmp") }
    }

    @Test(arguments: WeightPrecision.allCases)
    func createsFileOnceThenMapsIt(precision: WeightPrecision) async throws {
        let copy = try Fixture.Copy(of: "mlm")
        let path = "\(copy.directory)/.packed-\(precision.rawValue)"
        try? FileManager.default.removeItem(atPath: path)
        let first = try await Self.answer(try InferenceEngine(directory: copy.directory, precision: precision))
        let inode = try Self.inode(path)
        let second = try await Self.answer(try InferenceEngine(directory: copy.directory, precision: precision))
        #expect(first == second)
        #expect(try Self.inode(path) == inode)
        #expect(try Self.temporaries(copy.directory).isEmpty)
    }

    /// Kinds of damage, each of which must be detected.
    @Test(arguments: [
        "a flipped bit", "a flipped bit of the header", "cut short", "too long", "empty", "another precision's",
    ])
    func recreatesDamagedFile(damage: String) async throws {
        let copy = try Fixture.Copy(of: "mlm")
        let path = "\(copy.directory)/.packed-bfloat16"
        let expected = try await Self.answer(try InferenceEngine(directory: copy.directory, precision: .bfloat16))
        let whole = try Data(contentsOf: URL(filePath: path))
        var bytes = whole
        switch damage {
        case "a flipped bit": bytes[bytes.count - 4_000] ^= 0x40
        case "a flipped bit of the header": bytes[30] ^= 1
        case "cut short": bytes.removeLast(1_000)
        case "too long": bytes.append(0)
        case "empty": bytes = Data()
        default:
            _ = try InferenceEngine(directory: copy.directory, precision: .float32)
            #expect(!FileManager.default.fileExists(atPath: path))
            bytes = try Data(contentsOf: URL(filePath: "\(copy.directory)/.packed-float32"))
        }
        try bytes.write(to: URL(filePath: path))
        let found = try await Self.answer(try InferenceEngine(directory: copy.directory, precision: .bfloat16))
        #expect(found == expected)
        #expect(try Data(contentsOf: URL(filePath: path)) == whole)
    }

    @Test func recreatesFileOfAnotherModel() async throws {
        let copy = try Fixture.Copy(of: "mlm")
        let before = try await Self.answer(try InferenceEngine(directory: copy.directory))
        // Same shapes, different values: flips the signs of a bias.
        let path = "\(copy.directory)/model.safetensors"
        var model = try Data(contentsOf: URL(filePath: path))
        for index in stride(from: model.count - 64 * 4 + 3, to: model.count, by: 4) { model[index] ^= 0x80 }
        try model.write(to: URL(filePath: path))
        let inode = try Self.inode("\(copy.directory)/.packed-float32")
        let after = try await Self.answer(try InferenceEngine(directory: copy.directory))
        #expect(before != after)
        #expect(try Self.inode("\(copy.directory)/.packed-float32") != inode)
    }

    @Test func servesFromMemoryIfFileCannotBeWritten() async throws {
        let copy = try Fixture.Copy(of: "mlm")
        let expected = try await Self.answer(Fixture.mlm)
        // A file cannot be renamed over a non-empty directory.
        let path = "\(copy.directory)/.packed-float32"
        try? FileManager.default.removeItem(atPath: path)
        try FileManager.default.createDirectory(atPath: path + "/in the way", withIntermediateDirectories: true)
        let engine = try InferenceEngine(directory: copy.directory)
        #expect(try await Self.answer(engine) == expected)
        #expect(engine.packedFileFailure?.path == path)
        #expect(try Self.temporaries(copy.directory).isEmpty)
    }

    /// Compares bits per byte, the measure of quality of a precision.
    @Test(arguments: [(.bfloat16, 0.001), (.int8, 0.005)] as [(WeightPrecision, Double)], ["mlm", "clm"])
    func lowerPrecisionBarelyChangesBitsPerByte(allowed: (precision: WeightPrecision, share: Double), model: String)
        async throws
    {
        let copy = try Fixture.Copy(of: model)
        let text = "Human reason, in one sphere of its cognition, is called upon to consider questions."
        let exact = try await (model == "mlm" ? Fixture.mlm : Fixture.clm).score(text).bitsPerByte
        let engine = try InferenceEngine(directory: copy.directory, precision: allowed.precision)
        let found = try await engine.score(text).bitsPerByte
        #expect(found != exact)
        #expect(abs(found / exact - 1) < allowed.share)
    }
}
