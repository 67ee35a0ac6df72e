import Glibc
import Logging
import Systemd
import Testing

struct LogTests {
    @Test(arguments: [
        ("step", "KB_STEP"), ("KB_STEP", "KB_STEP"), ("kb_loss", "KB_LOSS"), ("MESSAGE_ID", "MESSAGE_ID"),
        ("tokens-per second", "KB_TOKENS_PER_SECOND"), ("_PID", "KB__PID"), ("MESSAGE", "KB_MESSAGE"),
        ("ü", "KB___"), (String(repeating: "x", count: 80), "KB_" + String(repeating: "X", count: 61)),
    ])
    func fieldNamesAreValidInTheJournal(key: String, name: String) {
        #expect(JournalEntry.fieldName(key) == name)
    }

    @Test func entryHasMetadataAsFields() {
        let entry = JournalEntry(
            level: .warning, message: "step 5 of 100, loss 4.2",
            metadata: ["KB_STEP": "5", "loss": "4.2", "MESSAGE_ID": "5d1c5e9f0f6d4c2ab7f0a1d3c1e80a09"],
            file: "Daemon/Run.swift", line: 12, label: "daemon")
        #expect(
            entry.fields == [
                "MESSAGE": "step 5 of 100, loss 4.2", "PRIORITY": "4", "KB_STEP": "5", "KB_LOSS": "4.2",
                "MESSAGE_ID": "5d1c5e9f0f6d4c2ab7f0a1d3c1e80a09", "CODE_FILE": "Daemon/Run.swift", "CODE_LINE": "12",
                "KB_LOGGER": "daemon",
            ])
    }

    @Test(arguments: [
        (Logger.Level.critical, "2"), (.error, "3"), (.warning, "4"), (.notice, "5"), (.info, "6"), (.debug, "7"),
    ])
    func levelsMapToPriorities(level: Logger.Level, priority: String) {
        let entry = JournalEntry(level: level, message: "", metadata: [:], file: "", line: 0, label: "")
        #expect(entry.fields["PRIORITY"] == priority)
    }

    @Test func linesAreHumanReadable() throws {
        let line = StandardErrorLogHandler.line(seconds: 0, level: .info, text: "loss 4.2")
        #expect(line.wholeMatch(of: /[0-9]{2}:[0-9]{2}:00 info     loss 4.2\n/) != nil)
        let hostile = StandardErrorLogHandler.line(seconds: 0, level: .critical, text: "a\nb\u{1B}[2Jü\tc")
        #expect(hostile.hasSuffix(" critical a\\u{a}b\\u{1b}[2Jü\tc\n"))
    }

    @Test func handlersAreValues() {
        for make in [{ JournalLogHandler(label: "a") as any LogHandler }, { StandardErrorLogHandler() }] {
            var first = Logger(label: "first") { _ in make() }
            first.logLevel = .debug
            first[metadataKey: "only"] = "first"
            var second = first
            second.logLevel = .error
            second[metadataKey: "only"] = "second"
            #expect(first.logLevel == .debug)
            #expect(first[metadataKey: "only"] == "first")
            #expect(second[metadataKey: "only"] == "second")
        }
    }
}
