import SettingsTable
import Testing

private struct Oven: Sendable, Equatable {
    var degrees = 180.0
    var racks = 2
    var timer: Double? = 90
    var dishes: [String] = []
}

private struct Kitchen: Sendable, Equatable {
    var oven = Oven()
}

private let ovenSettings: [Setting<Oven>] = [
    Setting("degrees", \.degrees, .number(atLeast: 30, below: 300), change: .onReload, "Temperature."),
    Setting("racks", \.racks, .integer(atLeast: 1, atMost: 4), change: .onRestart, "Number of racks."),
    Setting(
        "timer", \.timer, ValueFormat.duration(above: 0).or("never"), change: .onReload, "Time until it turns off."),
    Setting("dishes", \.dishes, .list("a list of dishes"), change: .onReload, "What is baked."),
]

struct SettingTests {
    private func setting(_ key: String) throws -> Setting<Oven> { try #require(ovenSettings.first { $0.key == key }) }

    @Test(arguments: [
        ("degrees", "30", "30"), ("degrees", "2e2", "200"), ("degrees", "180.5", "180.5"), ("racks", "4", "4"),
        ("timer", "never", "never"), ("timer", "1m 30s", "90s"), ("timer", "120", "2m"), ("timer", "500ms", "500ms"),
        ("timer", "1d", "24h"), ("timer", "90d", "90d"),
    ])
    func readsAndShowsAValue(key: String, text: String, shown: String) throws {
        let setting = try setting(key)
        var oven = Oven()
        try setting.apply([text], to: &oven)
        #expect(setting.text(of: oven) == shown)
        // The text output can be parsed again.
        var again = Oven()
        try setting.apply([shown], to: &again)
        #expect(again == oven)
    }

    @Test(arguments: [
        ("degrees", "29.9"), ("degrees", "300"), ("degrees", "nan"), ("degrees", "inf"), ("degrees", "hot"),
        ("degrees", ""), ("racks", "0"), ("racks", "5"), ("racks", "2.0"), ("timer", "0s"), ("timer", "-1"),
        ("timer", "5 parsecs"), ("timer", "null"),
    ])
    func refusesAMalformedValueAndOneOutOfRange(key: String, text: String) throws {
        let setting = try setting(key)
        var oven = Oven()
        #expect(throws: ValueError(found: text)) { try setting.apply([text], to: &oven) }
        #expect(oven == Oven())
    }

    @Test func describesAcceptedValues() {
        #expect(
            ovenSettings.map(\.expected) == [
                "a number of at least 30 and below 300", "an integer from 1 to 4",
                "a duration such as 2s, 1m or 24h, longer than 0, or never", "a list of dishes",
            ])
        #expect(ValueFormat.number(above: 0, atMost: 1).expected == "a number above 0 and at most 1")
        #expect(ValueFormat.number(atLeast: 0, atMost: 1).expected == "a number from 0 to 1")
        #expect(ValueFormat.number().expected == "a number")
        #expect(ValueFormat.integer(atLeast: 1).expected == "an integer of at least 1")
        #expect(ValueFormat.bytes(atLeast: 16 << 20).expected.hasSuffix("at least 16M"))
    }

    @Test func checksValuesThatWereNotRead() throws {
        #expect(try setting("racks").accepts(Oven()))
        #expect(try !setting("racks").accepts(Oven(racks: 5)))
        #expect(try !setting("degrees").accepts(Oven(degrees: .infinity)))
        #expect(try setting("timer").accepts(Oven(timer: nil)))
    }

    @Test func nestsSettings() throws {
        let settings = ovenSettings.nested(in: "oven", \Kitchen.oven)
        #expect(settings.map(\.key) == ["oven.degrees", "oven.racks", "oven.timer", "oven.dishes"])
        var kitchen = Kitchen()
        try settings[1].apply(["3"], to: &kitchen)
        try settings[3].apply(["bread", "pie"], to: &kitchen)
        #expect(kitchen.oven == Oven(racks: 3, dishes: ["bread", "pie"]))
        #expect(settings[3].text(of: kitchen) == "[bread, pie]")
        #expect(settings[1].change == .onRestart && !settings[1].isEqual(kitchen, Kitchen()))
        settings[1].copy(from: Kitchen(), to: &kitchen)
        #expect(kitchen.oven == Oven(dishes: ["bread", "pie"]))
    }
}

struct ValueFormatTests {
    @Test(arguments: [("4G", 4 << 30), ("1.5K", 1536), ("512M", 512 << 20), ("7", 7), ("0", 0)])
    func readsByteCounts(text: String, bytes: Int) throws {
        var box = Box(value: -1)
        try Setting<Box<Int>>("n", \.value, .bytes(), change: .onReload, "").apply([text], to: &box)
        #expect(box.value == bytes)
    }

    @Test(arguments: ["-1", "4X", "G", "1e30", "9999999999T", "0x10"])
    func refusesOtherByteCounts(text: String) {
        var box = Box(value: -1)
        #expect(throws: ValueError.self) {
            try Setting<Box<Int>>("n", \.value, .bytes(), change: .onReload, "").apply([text], to: &box)
        }
    }

    @Test func showsNumbersAsTheyAreWritten() {
        let format = ValueFormat.number()
        #expect([5, 1e-8, 1e-12, 0.05, 1e300].map(format.text) == ["5", "1e-8", "1e-12", "0.05", "1e+300"])
        #expect(ValueFormat.permissions.text(0o660) == "0660")
    }

    private struct Box<Value: Sendable & Equatable>: Sendable { var value: Value }
}

struct UnknownKeyTests {
    @Test(
        arguments: [
            ("lerning_rate", "learning_rate"), ("seddle", "settle"), ("stabel", "stable"), ("sead", "seed"),
            ("SEED", nil), ("x", nil), ("recipes", "recipe"),
        ] as [(String, String?)])
    func suggestsTheNearestKey(key: String, expected: String?) {
        let known = ["learning_rate", "settle", "stable", "seed", "recipe"]
        let found = UnknownKey.found(key, known: known)
        #expect(found == (expected.map { "an unknown key (did you mean ‘\($0)’?)" } ?? "an unknown key"))
    }

    /// A key of a megabyte must not cost the product of its length and that of each key.
    @Test func suggestsNothingForAVeryLongKey() {
        #expect(UnknownKey.found(String(repeating: "seed", count: 250_000), known: ["seed"]) == "an unknown key")
    }
}
