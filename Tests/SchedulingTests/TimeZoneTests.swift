import Scheduling
import Foundation
import Testing

@Suite("Time zones")
struct TimeZoneTests {
    static let date = "/bin/date"

    /// Fixed and random times until 2150, which is beyond the tables of the files, where the rule applies.
    static let times: [Int] = {
        var random = SystemRandomNumberGenerator()
        let fixed = stride(from: 0, to: 5_680_000_000, by: 86_400 * 53 + 3_607)
        return Array(fixed) + (0..<200).map { _ in Int.random(in: 0..<5_680_000_000, using: &random) }
    }()

    static let zones: [String] = {
        let table = (try? String(contentsOfFile: "/usr/share/zoneinfo/zone1970.tab", encoding: .utf8)) ?? ""
        return table.split(separator: "\n").filter { !$0.hasPrefix("#") }
            .compactMap { $0.split(separator: "\t").dropFirst(2).first.map(String.init) }
    }()

    /// Returns the offsets from UTC at `times` in seconds, as the C library computes them.
    static func offsets(_ variable: String) throws -> [Int] {
        let process = Process()
        process.executableURL = URL(filePath: date)
        process.arguments = ["-f", "-", "+%::z"]
        process.environment = ["TZ": variable, "LC_ALL": "C"]
        let (input, output) = (Pipe(), Pipe())
        (process.standardInput, process.standardOutput) = (input, output)
        try process.run()
        let text = Data(times.map { "@\($0)\n" }.joined().utf8)
        // Written on another thread, since the program answers while it reads and both pipes would fill up.
        let writer = Thread {
            try? input.fileHandleForWriting.write(contentsOf: text)
            try? input.fileHandleForWriting.close()
        }
        writer.start()
        let said = String(decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        process.waitUntilExit()
        return said.split(separator: "\n").map { line in
            let parts = line.dropFirst().split(separator: ":").compactMap { Int($0) }
            return (line.hasPrefix("-") ? -1 : 1) * (parts[0] * 3600 + parts[1] * 60 + parts[2])
        }
    }

    @Test(
        "Agrees with the C library for every time zone of the system",
        .enabled(
            if: !zones.isEmpty && FileManager.default.isExecutableFile(atPath: date),
            "needs the time zone database and \(date)"))
    func database() throws {
        #expect(Self.zones.count > 200)
        for name in Self.zones {
            let zone = try #require(TimeZoneRules.named(name), "\(name)")
            let expected = try Self.offsets(name)
            try #require(expected.count == Self.times.count, "\(name)")
            for (time, offset) in zip(Self.times, expected) {
                #expect(zone.offset(at: time) == offset, "\(name) at \(time)")
            }
        }
    }

    @Test(
        "Agrees with the C library for values of TZ",
        .enabled(if: FileManager.default.isExecutableFile(atPath: date), "needs \(date)"),
        arguments: [
            "CET-1CEST,M3.5.0,M10.5.0/3", "NZST-12NZDT,M9.5.0,M4.1.0/3", "<-03>3<-02>,M3.5.0/-2,M10.5.0/-1",
            "IST-2IDT,M3.4.4/26,M10.5.0", "XXX3EDT,J60/0,J300/23:59:59", "AAA-5:30:15BBB,59/1:30,300", "EST5",
            "<+0330>-3:30",
            "LHST-10:30LHDT-11,M10.1.0,M4.1.0", "Europe/Berlin", ":Asia/Tokyo", "", "UTC",
        ])
    func variable(_ text: String) throws {
        let zone = TimeZoneRules.local(variable: text)
        for (time, offset) in zip(Self.times, try Self.offsets(text)) {
            #expect(zone.offset(at: time) == offset, "at \(time)")
        }
    }

    @Test("Rejects truncated and damaged files", .enabled(if: !zones.isEmpty, "needs the time zone database"))
    func damaged() throws {
        let file = try Data(contentsOf: URL(filePath: "/usr/share/zoneinfo/Europe/Berlin"))
        let whole = try #require(TimeZoneRules(name: "x", file: file))
        #expect(whole.offset(at: 1_800_000_000) == 3600)
        for length in 0..<file.count { _ = TimeZoneRules(name: "x", file: file.prefix(length)) }
        #expect(TimeZoneRules(name: "x", file: file.prefix(100)) == nil)
        var random = SystemRandomNumberGenerator()
        for _ in 0..<3000 {
            var bytes = Array(file)
            for _ in 0..<3 {
                bytes[Int.random(in: bytes.indices, using: &random)] = .random(in: 0...255, using: &random)
            }
            // Whatever the file contains, computing an offset must not trap.
            let zone = TimeZoneRules(name: "x", file: bytes)
            _ = zone?.offset(at: 1_800_000_000)
        }
        for name in [
            "../../../etc/passwd", "/etc/localtime", "", "Europe", "zone1970.tab", "Europe//Berlin", "europe/berlin",
        ] {
            #expect(TimeZoneRules.named(name) == nil, "\(name)")
        }
    }
}
