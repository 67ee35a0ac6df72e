import Jobs
import Settings
import Testing

@Suite struct StartSettingTests {
    @Test(arguments: StartSetting.allCases)
    func startCanBeSet(start: StartSetting) throws {
        let settings = try Settings.parse("kantaibert: {start: \(start.rawValue)}", file: "start.yaml")
        #expect(settings.model(named: "kantaibert")?.start == start)
    }

    @Test func runsStartFromTheServingGenerationByDefault() {
        #expect(Settings.builtIn.models.map(\.startOfJob) == [.auto, .auto])
    }

    @Test func recipeOfTheBookStartsFromRandomWeights() throws {
        func start(_ keys: String) throws -> StartSetting? {
            try Settings.parse("kantaibert: {recipe: seed\(keys)}", file: "start.yaml").model(named: "kantaibert")?
                .startOfJob
        }
        #expect(try start("") == .fresh && start(", start: auto") == .fresh && start(", start: previous") == .previous)
    }

    @Test func replayAndShrinkAreRecipeKeys() throws {
        let recipe = try #require(Settings.builtIn.model(named: "kantaibert")).recipe
        #expect(recipe.replay == 3 && recipe.shrink == 1)
        let settings = try Settings.parse("kantaibert: {replay: 0.5, shrink: 0.7}", file: "start.yaml")
        let changed = try #require(settings.model(named: "kantaibert")).recipe
        #expect(changed.replay == 0.5 && changed.shrink == 0.7)
    }

    @Test(arguments: [("start: warm", "start"), ("replay: -1", "replay"), ("shrink: 1.1", "shrink")])
    func refusesOtherValues(text: String, key: String) {
        let error = #expect(throws: SettingsError.self) {
            try Settings.parse("kantaibert: {\(text)}", file: "start.yaml")
        }
        #expect(error?.key == "kantaibert.\(key)")
    }
}
