import Jobs
import Settings
import Testing

struct ReloadableSettingsTests {
    private func settings(_ text: String) throws -> Settings { try Settings.parse(text, file: "test.yaml") }

    @Test func appliesSettingsThatAreReadAtEachUse() throws {
        let live = ReloadableSettings(try settings(""))
        let waiting = live.take(
            try settings(
                """
                kantaibert:
                  num_train_epochs: 7
                assistant:
                  schedule:
                    settle: 3s
                training:
                  max_restarts: 9
                serving:
                  fillings: 2
                logging:
                  level: debug
                """))
        #expect(waiting == [])
        #expect(live.current.model(named: "kantaibert")?.recipe.numTrainEpochs == 7)
        #expect(live.current.model(named: "assistant")?.schedule.settleSeconds == 3)
        #expect(live.current.training.maxRestarts == 9)
        #expect(live.current.serving.fillings == 2)
        #expect(live.current.logging.level == "debug")
    }

    @Test(arguments: [
        ("inbox:\n  stable: 9s", "inbox.stable"), ("socket:\n  mode: \"0600\"", "socket.mode"),
        ("training:\n  stop: 5s", "training.stop"), ("serving:\n  precision: float32", "serving.precision"),
        ("serving:\n  max_concurrent_requests: 3", "serving.max_concurrent_requests"),
        ("serving:\n  max_concurrent_requests_per_user: 3", "serving.max_concurrent_requests_per_user"),
        ("serving:\n  max_request_memory: 1G", "serving.max_request_memory"),
        ("models: [kantaibert]", "models"), ("kantaibert:\n  objective: clm", "kantaibert.objective"),
    ])
    func keepsSettingsThatNeedARestart(text: String, name: String) throws {
        let old = try settings("")
        let live = ReloadableSettings(old)
        #expect(live.take(try settings(text)) == [name])
        #expect(live.current == old)
        #expect(live.take(try settings(text)) == [name], "it still waits")
        #expect(live.take(old) == [])
    }

    @Test func appliesTrainingSettingsOfModels() throws {
        let live = ReloadableSettings(try settings(""))
        let new = "models: [kantaibert, other]\nother:\n  objective: mlm\nkantaibert:\n  seed: 5"
        #expect(live.take(try settings(new)) == ["models"])
        #expect(live.current.models.map(\.name) == ["kantaibert", "assistant"])
        #expect(live.current.model(named: "kantaibert")?.recipe.seed == 5)
    }
}
