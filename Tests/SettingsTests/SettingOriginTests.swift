import FoundationEssentials
import Settings
import Testing

/// Where the values of settings come from.
struct SettingOriginTests {
    private static let file = """
        models: [kantaibert]
        kantaibert:
          preset: tiny
          schedule:
            every: 24h
        schedule:
          settle: 1s
          window: null
        """

    private static func settings(_ environment: [String: String] = [:]) throws -> Settings {
        try Settings.parse(file, file: "/etc/k.yaml", environment: environment)
    }

    private static func setting(_ key: String, _ settings: Settings) throws -> SettingInForce {
        try #require(settings.inForce.first { $0.key == key })
    }

    @Test func fileVariableAndDefaultAreTold() throws {
        let settings = try Self.settings(["KANTAIBERT_RETENTION_KEEP_RUNS": "3", "KANTAIBERT_SCHEDULE_SETTLE": "2s"])
        #expect(
            try Self.setting("kantaibert.preset", settings)
                == .init(key: "kantaibert.preset", text: "tiny", origin: .file(place: "/etc/k.yaml:3")))
        #expect(
            try Self.setting("retention.keep_runs", settings)
                == .init(
                    key: "retention.keep_runs", text: "3",
                    origin: .environment(variable: "KANTAIBERT_RETENTION_KEEP_RUNS")))
        // The variable overrides the file.
        #expect(
            try Self.setting("schedule.settle", settings).origin
                == .environment(variable: "KANTAIBERT_SCHEDULE_SETTLE"))
        #expect(try Self.setting("models", settings).origin == .file(place: "/etc/k.yaml:1"))
        for key in ["inbox.stable", "schedule.window", "kantaibert.recipe"] {
            #expect(try Self.setting(key, settings).origin == nil, "\(key)")
        }
    }

    @Test func modelsHaveTheScheduleOfTheService() throws {
        let settings = try Self.settings()
        #expect(
            try Self.setting("kantaibert.schedule.settle", settings)
                == .init(key: "kantaibert.schedule.settle", text: "1s", origin: .file(place: "/etc/k.yaml:7")))
        #expect(
            try Self.setting("kantaibert.schedule.every", settings).origin == .file(place: "/etc/k.yaml:5"))
    }

    @Test func everyKeyIsListedOnce() throws {
        let keys = try Self.settings().inForce.map(\.key)
        #expect(Set(keys).count == keys.count && keys.count > 80)
    }

    @Test func valuesThatNeedARestartAreNamed() throws {
        let live = ReloadableSettings(try Self.settings())
        #expect(live.awaitingRestart.isEmpty)
        _ = live.take(try Self.settings(["KANTAIBERT_INBOX_STABLE": "9s", "KANTAIBERT_SCHEDULE_SETTLE": "2s"]))
        #expect(live.awaitingRestart == ["inbox.stable"])
        let (stable, settle) = (
            try Self.setting("inbox.stable", live.current), try Self.setting("schedule.settle", live.current)
        )
        #expect(stable.text == "2s" && stable.origin == .environment(variable: "KANTAIBERT_INBOX_STABLE"))
        #expect(settle.text == "2s")
        _ = live.take(try Self.settings())
        #expect(live.awaitingRestart.isEmpty)
    }

    @Test func originsDoNotDistinguishSettings() throws {
        #expect(try Self.settings() == Self.settings(["KANTAIBERT_SCHEDULE_SETTLE": "1s"]))
    }
}
