import FoundationEssentials
import Settings
import SettingsTable
import Testing

struct SettingsFileTests {
    /// The file with every default switched on: a `#` directly before a key, without the space of a comment.
    static let uncommented = SettingsFile.text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
        let indent = line.prefix { $0 == " " }
        let rest = line.dropFirst(indent.count)
        guard rest.hasPrefix("#"), let first = rest.dropFirst().first, first.isLetter else { return String(line) }
        return String(indent + rest.dropFirst())
    }.joined(separator: "\n")

    @Test func theCommittedFileIsUpToDate() throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let committed = try Data(contentsOf: root.appending(path: SettingsFile.path))
        #expect(committed == Data(SettingsFile.text.utf8), "\(SettingsFile.path) is stale: run `make generate`")
    }

    @Test func theInstalledFileChangesNothing() throws {
        #expect(try Settings.parse(SettingsFile.text, file: "kantaibert.yaml") == Settings.builtIn)
    }

    @Test func showsTheDefaults() throws {
        #expect(try Settings.parse(Self.uncommented, file: "kantaibert.yaml") == Settings.builtIn)
    }

    @Test func listsEveryKey() {
        let keys =
            SettingDescription.service.map(\.key) + SettingDescription.model.map { "kantaibert.\($0.key)" }
        let listed = YAMLKeyPlaces(Self.uncommented).lines.map(\.key)
        for key in keys { #expect(listed.contains(key), "\(key)") }
    }

    @Test func noLineIsLongerThan120Columns() {
        for line in SettingsFile.text.split(separator: "\n") { #expect(line.count <= 120, "\(line)") }
    }

    /// Keys must be unique, because duplicates would hide each other.
    @Test func keysAreUnique() {
        for keys in [SettingDescription.service.map(\.key), SettingDescription.model.map(\.key)] {
            #expect(Set(keys).count == keys.count)
        }
    }

    /// The properties that keys are bound to cannot be enumerated, but each key must change some of them.
    @Test(arguments: [
        ("inbox.stable", "9s"), ("schedule.on_arrival", "true"), ("training.memory_limit", "4G"),
        ("promotion.tolerance", "0.5"), ("retention.reserve", "1G"), ("serving.min_p", "0.5"), ("serving.trace", "off"),
        ("socket.mode", "0600"),
        ("logging.level", "debug"), ("assistant.keep", "a-z"), ("assistant.seed", "7"),
        ("assistant.vocab_size", "4000"),
        ("assistant.schedule.window", "22:00-06:00"), ("models", "assistant"),
    ])
    func variablesSetEveryKindOfKey(key: String, text: String) throws {
        var environment = [SettingsSource.variable(for: key): text]
        if key == "assistant.keep" { environment[SettingsSource.variable(for: "assistant.filters")] = "keep" }
        #expect(try Settings.parse("", file: "empty.yaml", environment: environment) != Settings.builtIn)
    }
}
