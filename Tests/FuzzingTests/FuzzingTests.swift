import Foundation
import Fuzzing
import Testing

/// A short while of what `make fuzz` does for minutes, the same each time, and all that it ever found.
@Suite(.timeLimit(.minutes(2))) struct FuzzingTests {
    static let fixtures = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures")
    static let targets = FuzzTarget.all.map(\.name)

    @Test(arguments: targets)
    func nothingTrapsOnAThousandChanges(name: String) throws {
        let target = try #require(FuzzTarget.named(name))
        var inputs = target.seeds
        var mutation = Mutation(seed: 20)
        for number in 0..<1000 {
            let input = mutation.changed(inputs[number % inputs.count], others: inputs)
            target.run(input)
            // Changes upon changes.
            if number % 8 == 0 { inputs.append(input) }
        }
    }

    /// `Fixtures/NAME/` holds inputs that once were findings.
    @Test func whatWasFoundStaysMended() throws {
        for folder in try FileManager.default.contentsOfDirectory(at: Self.fixtures, includingPropertiesForKeys: nil) {
            let target = try #require(FuzzTarget.named(folder.lastPathComponent))
            for file in try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil) {
                target.run(Array(try Data(contentsOf: file)))
            }
        }
    }
}
