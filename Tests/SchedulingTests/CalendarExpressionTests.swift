import Scheduling
import Foundation
import TestSupport
import Testing

/// The result of `systemd-analyze calendar` of systemd 252 for an expression, recorded by `Tests/Parity/systemd_calendar.py`.
private struct Recorded: Decodable {
    var expression: String
    /// The local time zone.
    var zone: String
    /// Seconds since 1970.
    var base: Int
    /// nil if the expression is refused.
    var normalized: String?
    /// Up to five elapses after `base`, in seconds since 1970.
    var elapses: [Int]?

    static let all = {
        let file = Bundle.module.resourceURL!.appending(path: "Fixtures/calendar.jsonl")
        return try! Data(contentsOf: file).split(separator: UInt8(ascii: "\n"))
            .map { try! JSONDecoder().decode(Recorded.self, from: $0) }
    }()

    /// Our result for the same expression.
    func parsed() -> (normalized: String?, elapses: [Int]?) {
        guard let calendar = try? CalendarExpression(expression) else { return (nil, nil) }
        let local = TimeZoneRules.local(variable: zone)
        var last = base * 1_000_000
        let elapses = (0..<5).compactMap { _ in
            calendar.next(after: last, local: local).map { next in
                last = next
                return next / 1_000_000
            }
        }
        return (calendar.description, elapses)
    }
}

@Suite("Calendar expressions")
struct CalendarExpressionTests {
    @Test("Agrees with the recorded results of systemd for a thousand expressions")
    func matchesRecordedResultsOfSystemd() throws {
        #expect(Recorded.all.count { $0.normalized != nil } > 500)
        #expect(Recorded.all.count { $0.normalized == nil } > 100)
        for recorded in Recorded.all {
            let parsed = recorded.parsed()
            let place: Comment = "‘\(recorded.expression)’ in \(recorded.zone) after \(recorded.base)"
            #expect(parsed.normalized == recorded.normalized, place)
            #expect(parsed.elapses == recorded.elapses, place)
        }
    }

    static let analyze = "/usr/bin/systemd-analyze"

    @Test(
        "Agrees with the systemd of this machine",
        .enabled(if: FileManager.default.isExecutableFile(atPath: analyze), "needs \(analyze)"))
    func live() throws {
        for recorded in Recorded.all {
            let said = try Self.ask(recorded)
            let parsed = recorded.parsed()
            let place: Comment =
                "‘\(recorded.expression)’ in \(recorded.zone) after \(recorded.base): \(said ?? "refused")"
            guard let said else {
                #expect(parsed.normalized == nil, place)
                continue
            }
            #expect(said.contains("Normalized form: \(parsed.normalized ?? "refused")\n"), place)
            let times = (parsed.elapses ?? []).map { CivilTime(microseconds: $0 * 1_000_000) }
            for time in times { #expect(said.contains("\(Self.text(time)) UTC\n"), place) }
            #expect(times.isEmpty == said.contains("Next elapse: never"), place)
        }
    }

    private static func ask(_ recorded: Recorded) throws -> String? {
        let process = Process()
        process.executableURL = URL(filePath: analyze)
        process.arguments = ["calendar", "--iterations=5", "--base-time=@\(recorded.base)", recorded.expression]
        process.environment = ["TZ": recorded.zone, "LC_ALL": "C", "SYSTEMD_PAGER": ""]
        process.standardInput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let said = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return process.terminationStatus == 0 ? String(decoding: said, as: UTF8.self) : nil
    }

    private static func text(_ time: CivilTime) -> String {
        String(
            format: "%04d-%02d-%02d %02d:%02d:%02d", time.year, time.month, time.day, time.hour, time.minute,
            time.microsecond / 1_000_000)
    }

    @Test("Supports fractions of seconds, which systemd-analyze does not print")
    func supportsFractionsOfSeconds() throws {
        let calendar = try CalendarExpression("*:*:0/0.3 UTC")
        var (times, last) = ([Int](), 59_000_000)
        for _ in 0..<4 {
            last = try #require(calendar.next(after: last, local: .utc))
            times.append(last)
        }
        #expect(times == [59_100_000, 59_400_000, 59_700_000, 60_000_000])
        let seventh = try CalendarExpression("00:00:01.2345675")
        #expect(seventh.next(after: 0, local: .utc) == 1_234_568)
    }

    @Test("The normalized form of a normalized expression is the same")
    func normalizationIsIdempotent() throws {
        for form in Recorded.all.compactMap(\.normalized) {
            #expect(try CalendarExpression(form).description == form)
        }
    }

    @Test("Detects quickly that an expression never elapses")
    func detectsExpressionThatNeverElapses() throws {
        for text in ["*-02-30", "Mon 2026-11-24", "*-*-* 02:30:00 UTC", "Fri *-02~28/3 0:0"] {
            let calendar = try CalendarExpression(text)
            let seconds = threadSeconds { _ = calendar.next(after: 0, local: .utc) }
            #expect(seconds < 1, "\(text)")
        }
        #expect(try CalendarExpression("*-02-30").next(after: 0, local: .utc) == nil)
        // A gap in which every microsecond matches.
        let berlin = try #require(TimeZoneRules.named("Europe/Berlin"))
        let dense = try CalendarExpression("*-3-29 2:*:0/0.000001")
        #expect(dense.next(after: 1_774_740_000_000_000, local: berlin) == 1_806_278_400_000_000)
    }
}
