import Daemon
import Durable
import Foundation
import Inference
import Jobs
import Testing

/// What opens a generation first is a process of its own: here a shell script, which ends in each way that one can end.
@Suite(.timeLimit(.minutes(15))) struct ModelProcessTests {
    /// - Parameter script: `$LIFE` is how often it has been started
    private func program(_ script: String, in folder: String) throws -> String {
        let path = folder + "/train.sh"
        let text = """
            #!/bin/sh
            cd '\(folder)'
            echo "$@" >> lives
            LIFE=$(wc -l < lives)
            \(script)
            """
        // Written by another process: a child that another test starts meanwhile would hold this one's descriptor.
        let shell = Process()
        shell.executableURL = URL(filePath: "/bin/sh")
        shell.arguments = ["-c", "printf '%s' \"$1\" > \"$0\" && chmod 755 \"$0\"", path, text]
        try shell.run()
        shell.waitUntilExit()
        try #require(shell.terminationStatus == 0)
        return path
    }

    private func lives(_ folder: String) -> [String] {
        ((try? String(contentsOfFile: folder + "/lives", encoding: .utf8)) ?? "").split(separator: "\n")
            .map(String.init)
    }

    @Test(arguments: [
        ("kill -SEGV $$", "SIGSEGV", 2), ("ulimit -t 0; kill -KILL $$", "SIGKILL", 2),
        ("echo 'it fell over' >&2; exit 70", "it fell over", 1),
        (
            #"echo '{"kind":"failed","time":"2026-01-01T00:00:00.000Z","message":"`a` holds nan at 3"}'; exit 65"#,
            "`a` holds nan at 3", 1
        ),
    ])
    func aProcessThatEndsTakesNobodyAlong(script: String, says: String, times: Int) async throws {
        let models = try ServingTests.Models(generations: 2, of: "m", objective: .mlm)
        let folder = models.directory.root
        // The first generation is taken as it is; the second is what the process falls over.
        let program = try program("case \"$2\" in */1) exit 0;; esac\n" + script, in: folder)
        let registry = ModelRegistry(directory: models.directory, trainProgram: program)
        let first = try #require(try await registry.loadCurrent("m"))
        let error = await #expect(throws: InferenceError.self) { try await registry.promote("m", to: 2) }
        #expect("\(String(describing: error))".contains(says), "\(String(describing: error))")
        #expect(lives(folder).filter { $0.contains("/2") }.count == times)
        #expect(await registry.model("m")?.generation == 1)
        #expect(try await first.engine.fillMask("a<mask>", topK: 1).count == 1)
        #expect(models.directory.currentGeneration(of: "m") == 1)
    }

    /// Somebody who kills it once has not shown that the model is to blame.
    @Test func aProcessThatIsKilledOnceIsStartedAgain() async throws {
        let models = try ServingTests.Models(generations: 1, of: "m", objective: .mlm)
        let program = try program("[ $LIFE = 1 ] && kill -KILL $$; exit 0", in: models.directory.root)
        let registry = ModelRegistry(directory: models.directory, trainProgram: program)
        #expect(try await registry.loadCurrent("m") != nil)
        #expect(lives(models.directory.root).count == 2)
    }

    @Test func aProgramThatIsNotThereIsNoFaultOfTheModel() async throws {
        let models = try ServingTests.Models(generations: 1, of: "m", objective: .mlm)
        let registry = ModelRegistry(directory: models.directory, trainProgram: models.directory.root + "/nothing")
        await #expect(throws: DurableError.self) { try await registry.loadCurrent("m") }
    }

    /// A line without an end, and one that is long, are no more of an error than a line.
    @Test func whatItSaysIsBounded() async throws {
        let models = try ServingTests.Models(generations: 1, of: "m", objective: .mlm)
        let program = try program(
            "head -c 60000 /dev/zero | tr '\\0' 'x' >&2; echo >&2; exit 70", in: models.directory.root)
        let registry = ModelRegistry(directory: models.directory, trainProgram: program)
        let error = await #expect(throws: InferenceError.self) { try await registry.loadCurrent("m") }
        let text = "\(String(describing: error))"
        #expect(text.contains("status 70") && text.utf8.count < 1_500)
    }

    /// What was checked once is opened without a process, until a byte of it changes.
    @Test func onlyTheFirstOpeningHasAProcess() async throws {
        let models = try ServingTests.Models(generations: 1, of: "m", objective: .mlm)
        let folder = models.directory.root
        let program = try program("exit 0", in: folder)
        func load() async throws -> InferenceEngine? {
            let registry = ModelRegistry(directory: models.directory, precision: .float32, trainProgram: program)
            return try await registry.loadCurrent("m")?.engine
        }
        let engine = try #require(try await load())
        #expect(lives(folder).count == 1)
        // The script has not noted that it looked.
        _ = try await load()
        #expect(lives(folder).count == 2)
        try CheckedFile.write(for: engine)
        #expect(try await load()?.modelSHA256 == engine.modelSHA256)
        #expect(lives(folder).count == 2)
        let configuration = models.directory.generation(1, of: "m") + "/config.json"
        let text = try String(contentsOfFile: configuration, encoding: .utf8)
        try (text + "\n").write(toFile: configuration, atomically: true, encoding: .utf8)
        _ = try await load()
        #expect(lives(folder).count == 3)
    }
}
