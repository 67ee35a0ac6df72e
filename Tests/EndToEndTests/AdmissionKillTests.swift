import Crypto
import Foundation
import Glibc
import Interface
import Testing
import Varlink

@Suite(
    "Killing the service during admission", .serialized, .timeLimit(.minutes(30)),
    .enabled(if: Programs.areBuilt, "\(Programs.missing)"))
struct AdmissionKillTests {
    /// A sample, or all of the moments with `KANTAIBERT_TEST_FAULTS=all` (`make test-faults`).
    static let moments = ProcessInfo.processInfo.environment["KANTAIBERT_TEST_FAULTS"] == "all" ? 200 : 40

    @Test("After each kill every file is in the inbox or admitted; in the end each is recorded exactly once")
    func filesSurviveKills() throws {
        let service = try RunningService(
            settings: """
                models: [kantaibert]
                kantaibert:
                  preset: tiny
                inbox:
                  stable: 1ms
                schedule:
                  settle: 24h
                """)
        var texts: [String: String] = [:]
        var locations = ["in the inbox": 0, "admitted": 0, "both": 0]
        try service.start()
        // Measure the duration of one round's admission, to place the kills within it.
        let began = ContinuousClock.now
        let events = try service.watch()
        for (name, file) in try round(0) {
            texts[name] = file.stored
            try service.drop(name, file.bytes)
        }
        for _ in Set(texts.values) { _ = try events.first("corpus_admitted") }
        let whole = began.duration(to: .now) / .seconds(1)

        for moment in 1...Self.moments {
            let files = try round(moment)
            for (name, file) in files {
                texts[name] = file.stored
                try service.drop(name, file.bytes)
            }
            // Prefer early moments, because the first files are admitted soon.
            let part = Double.random(in: 0..<1)
            usleep(UInt32(part * part * whole * 1e6))
            try service.kill()
            for (name, file) in files {
                let isInInbox = FileManager.default.fileExists(atPath: "\(service.inbox)/\(name)")
                let path = "\(service.folder)/corpus/\(sha256(of: file.stored))"
                let isAdmitted = FileManager.default.fileExists(atPath: path)
                #expect(isInInbox || isAdmitted, "\(name) is lost at moment \(moment)")
                if isAdmitted {
                    #expect(
                        FileManager.default.contents(atPath: path) == Data(file.stored.utf8), "\(name) is incomplete")
                }
                locations[isInInbox ? isAdmitted ? "both" : "in the inbox" : "admitted", default: 0] += 1
            }
            try service.start()
        }
        // Wait until the files left by the last kills are admitted.
        let client = try service.client()
        let deadline = ContinuousClock.now.advanced(by: .seconds(300))
        var corpora: [ManagerInterface.Corpus] = []
        repeat {
            corpora = try client.all(ManagerInterface.ListCorpora.self, .init(), \.corpora)
            let left = try FileManager.default.contentsOfDirectory(atPath: service.inbox).filter { $0.hasPrefix("f") }
            if left.isEmpty, corpora.count >= texts.count { break }
            usleep(50_000)
        } while ContinuousClock.now < deadline
        #expect(corpora.map(\.name).sorted() == texts.keys.sorted())
        #expect(corpora.allSatisfy { [.admitted, .duplicate].contains($0.state) })
        for corpus in corpora { #expect(corpus.sha256 == sha256(of: texts[corpus.name] ?? ""), "\(corpus.name)") }
        let admitted = corpora.filter { $0.state == .admitted }
        #expect(admitted.map(\.sha256).sorted() == Set(texts.values).map(sha256).sorted(), "each text once")
        let stored = try FileManager.default.contentsOfDirectory(atPath: "\(service.folder)/corpus")
        #expect(stored.sorted() == admitted.map(\.sha256).sorted(), "incomplete files are left over")
        #expect(locations["in the inbox", default: 0] > 0 && locations["admitted", default: 0] > 0, "\(locations)")
        print("\(Self.moments) kills within \(whole) s of admission; location of the files at the kills: \(locations)")
        _ = try service.stop()
    }

    /// Returns one file of each kind and a batch of small files, two of which have the same text, each with the text it
    /// is stored as.
    private func round(_ number: Int) throws -> [String: (bytes: Data, stored: String)] {
        let lines = (0..<200).map { "line \($0) of round \(number)" }
        let plain = lines.joined(separator: "\n")
        let table = "id,text\n" + lines.map { "1,\"\($0), \($0)\"\n" }.joined()
        let records = lines.map { "\($0), \($0)\n" }.joined()
        let objects = lines.map { "{\"text\": \"\($0)!\"}\n" }.joined()
        let kinds = [
            "f\(number).txt": (Data(plain.utf8), plain),
            "f\(number).csv.gz": (try packed(table, with: "gzip"), records),
            "f\(number).jsonl.zst": (zstandard(objects), lines.map { $0 + "!\n" }.joined()),
        ]
        let small = (0..<50).map { place in
            let text = "note \(max(1, place)) of round \(number)\n"
            return ("f\(number)-\(place).txt", (Data(text.utf8), text))
        }
        return kinds.merging(small) { kind, _ in kind }
    }

    private func sha256(of text: String) -> String { SHA256.hash(data: Data(text.utf8)).hexadecimal }

    /// A frame with one block that is not compressed (RFC 8878), so that the test needs no program that may be missing.
    private func zstandard(_ text: String) -> Data {
        let bytes = Array(text.utf8)
        precondition(bytes.count <= 1 << 17)
        func littleEndian(_ value: Int, _ count: Int) -> [UInt8] { (0..<count).map { UInt8(value >> (8 * $0) & 0xFF) } }
        // One segment, whose size has four bytes; the last block, raw.
        return Data(
            [0x28, 0xB5, 0x2F, 0xFD, 0xA0] + littleEndian(bytes.count, 4) + littleEndian(bytes.count << 3 | 1, 3)
                + bytes)
    }

    private func packed(_ text: String, with tool: String) throws -> Data {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = [tool, "-c"]
        let (input, output) = (Pipe(), Pipe())
        process.standardInput = input
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        // The text is smaller than a pipe's buffer.
        try input.fileHandleForWriting.write(contentsOf: Data(text.utf8))
        try input.fileHandleForWriting.close()
        let bytes = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0)
        return bytes
    }
}
