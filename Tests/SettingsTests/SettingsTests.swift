import Corpora
import FoundationEssentials
import Jobs
import Scheduling
import Settings
import SettingsTable
import Testing
import TextFilters
import TextReading

struct SettingsTests {
    static let smallest = """
        models: [kantaibert, assistant]
        kantaibert:
          objective: mlm
          preset: tiny
        assistant:
          objective: clm
          preset: tiny
        schedule:
          settle: 1s
        """

    @Test func fillsInDefaults() throws {
        let settings = try Settings.parse(Self.smallest, file: "smallest.yaml")
        #expect(settings.models.map(\.name) == ["kantaibert", "assistant"])
        #expect(settings.models.map(\.objective) == [.mlm, .clm])
        #expect(settings.models.allSatisfy { $0.architecture == Preset.tiny.architecture })
        #expect(settings.models.map(\.samples) == [.auto, .auto])
        #expect(settings.models.map(\.samplesOfJob) == [.auto, .auto])
        #expect(settings.models.allSatisfy { !$0.recipe.truncate })
        #expect(settings.models.allSatisfy { $0.schedule.settleSeconds == 1 })
        #expect(settings.inbox.stableSeconds == 2)
    }

    @Test func readsCommandLicenseAndLanguage() throws {
        let text = Self.smallest.replacing(
            "objective: mlm", with: "objective: mlm\n  license: cc-by-4.0\n  language: [de, \"no\"]")
        let settings = try Settings.parse(
            text + "\ntraining:\n  notify: [/bin/echo, a b, $X]\n", file: "a.yaml")
        #expect(settings.training.notify == ["/bin/echo", "a b", "$X"])
        #expect(settings.models[0].license == "cc-by-4.0" && settings.models[0].languages == ["de", "no"])
        #expect(settings.models[1].license == nil && settings.models[1].languages == [])
        #expect(Settings.builtIn.training.notify == [])
        // A path alone has no arguments.
        #expect(
            try Settings.parse(text + "\ntraining:\n  notify: /bin/my program\n", file: "a.yaml").training.notify
                == ["/bin/my program"])
        for (key, value) in [
            ("training.notify", "[echo, a]"), ("training.notify", "bin/echo"), ("kantaibert.license", "\"CC BY: 4.0\""),
            ("kantaibert.license", "\"a\\nb: c\""), ("kantaibert.language", "[deutsch]"),
            ("kantaibert.language", "[\"d]\"]"),
        ] {
            let (section, name) = (key.prefix { $0 != "." }, key.drop { $0 != "." }.dropFirst())
            let file =
                "kantaibert:\n  objective: mlm\n" + (section == "kantaibert" ? "" : "\(section):\n")
                + "  \(name): \(value)\n"
            let error = #expect(throws: SettingsError.self) { try Settings.parse(file, file: "a.yaml") }
            #expect(error?.key == key, "\(value)")
        }
    }

    @Test func aByteOrderMarkIsNoPartOfTheFirstKey() throws {
        #expect(
            try Settings.parse("\u{FEFF}" + Self.smallest, file: "marked.yaml")
                == Settings.parse(Self.smallest, file: "smallest.yaml"))
    }

    @Test func anEmptyFileMeansTheDefaults() throws {
        #expect(try Settings.parse("", file: "empty.yaml") == Settings.builtIn)
        #expect(try Settings.parse("# nothing\n\n", file: "empty.yaml") == Settings.builtIn)
    }

    @Test func keysOverridePresetAndRecipe() throws {
        let settings = try Settings.parse(
            """
            models: [poet]
            poet:
              objective: clm
              preset: small
              recipe: seed
              hidden_size: 128
              vocab_size: auto
              learning_rate: 3e-4
              max_steps: 20
              max_time: 1m 30s
              seed: 18446744073709551615
              filters: [lowercase]
              schedule:
                settle: 500ms
            schedule:
              settle: 90
            """, file: "poet.yaml")
        let poet = try #require(settings.model(named: "poet"))
        #expect(poet.architecture.hiddenSize == 128)
        #expect(poet.architecture.numHiddenLayers == 4)
        #expect(poet.architecture.vocabSize == nil)
        #expect(poet.recipe.learningRate == 3e-4)
        #expect(poet.recipe.perDeviceTrainBatchSize == 64)
        #expect(poet.recipe.maxSteps == 20)
        #expect(poet.recipe.maxTime == .seconds(90))
        #expect(poet.recipe.seed == .max)
        // With the recipe `seed`, `auto` stands for the book chapter's units.
        #expect(poet.samples == .auto && poet.samplesOfJob == (poet.objective == .mlm ? .lines : .paragraphs))
        #expect(poet.recipe.truncate)
        #expect(poet.filters == [.lowercase])
        #expect(poet.schedule.settleSeconds == 0.5)
        #expect(settings.schedule.settleSeconds == 90)
    }

    @Test(
        arguments: [
            ("", nil), ("samples: lines", nil), ("per_device_train_batch_size: auto", nil),
            ("per_device_train_batch_size: 40", 40), ("recipe: seed", 64),
            ("{recipe: seed, per_device_train_batch_size: 40}", 40), ("{recipe: seed, samples: auto}", 64),
            ("{recipe: seed, per_device_train_batch_size: auto}", nil),
        ] as [(String, Int?)])
    func batchIsLeftToTheRunUnlessItIsSet(keys: String, size: Int?) throws {
        let section = keys.isEmpty || keys.hasPrefix("{") ? keys : "{\(keys)}"
        let settings = try Settings.parse("kantaibert: \(section)", file: "batch.yaml")
        #expect(try #require(settings.model(named: "kantaibert")).recipe.perDeviceTrainBatchSize == size)
    }

    @Test func limitsOfRunTimeFileSizeAndDiskCanBeSet() throws {
        let defaults = Settings.builtIn
        #expect(defaults.models.allSatisfy { $0.recipe.maxTime == .automatic })
        #expect(defaults.retention.reserveBytes == nil && defaults.inbox.reading.maxFileBytes == 4 << 30)
        let settings = try Settings.parse(
            """
            assistant:
              max_time: none
            inbox:
              max_file_bytes: 1000
            retention:
              reserve: 512M
            """, file: "bounds.yaml")
        #expect(settings.model(named: "assistant")?.recipe.maxTime == TimeLimit.none)
        #expect(settings.model(named: "kantaibert")?.recipe.maxTime == .automatic)
        #expect(settings.inbox.reading.maxFileBytes == 1000 && settings.retention.reserveBytes == 512 << 20)
        for (text, key) in [
            ("assistant: {max_time: soon}", "assistant.max_time"), ("retention: {reserve: -1}", "retention.reserve"),
            ("inbox: {max_file_bytes: 0}", "inbox.max_file_bytes"),
        ] {
            let error = #expect(throws: SettingsError.self) { try Settings.parse(text, file: "bounds.yaml") }
            #expect(error?.key == key)
        }
    }

    @Test func aModelOverridesTheCommonScheduleKeyByKey() throws {
        let settings = try Settings.parse(
            """
            models: [night, noon, always]
            night: {objective: mlm}
            noon:
              objective: mlm
              schedule:
                calendar: 12:30:15
                window: none
            always:
              objective: clm
              schedule:
                on_arrival: true
                every: 36h
                calendar: none
            schedule:
              calendar: '*:0/10 Europe/Berlin'
              window: Mon..Fri 22:00-06:00
            """, file: "f.yaml")
        let schedules = settings.models.map(\.schedule)
        #expect(
            schedules.map { $0.calendar?.description } == [
                "*-*-* *:00/10:00 Europe/Berlin", "*-*-* 12:30:15", nil,
            ])
        #expect(
            schedules.map { $0.window?.description } == ["Mon..Fri 22:00-06:00", nil, "Mon..Fri 22:00-06:00"])
        #expect(schedules.map(\.everySeconds) == [nil, nil, 129_600])
        #expect(schedules.map(\.trainsOnArrival) == [false, false, true])
        #expect(Settings.builtIn.models.allSatisfy { $0.schedule.trainsOnArrival })
    }

    @Test func environmentVariablesOverrideTheFile() throws {
        let settings = try Settings.parse(
            Self.smallest, file: "smallest.yaml",
            environment: [
                "KANTAIBERT_SCHEDULE_SETTLE": "7s", "KANTAIBERT_ASSISTANT_LEARNING_RATE": "0.25",
                "KANTAIBERT_MODELS": "assistant", "PATH": "/bin",
            ])
        #expect(settings.schedule.settleSeconds == 7)
        #expect(settings.models.map(\.name) == ["assistant"])
        #expect(settings.models.first?.recipe.learningRate == 0.25)
    }

    struct Mistake: CustomTestStringConvertible, Sendable {
        var text: String
        var place: String
        var key: String?
        var found: String
        var testDescription: String { text }
    }

    static let mistakes = [
        Mistake(text: "inbox:\n  stable: soon", place: "f.yaml:2", key: "inbox.stable", found: "‘soon’"),
        Mistake(
            text: "inbox:\n  stabel: 2s", place: "f.yaml:2", key: "inbox.stabel",
            found: "an unknown key (did you mean ‘stable’?)"),
        Mistake(
            text: "shedule:\n  settle: 2s", place: "f.yaml:1", key: "shedule",
            found: "an unknown key (did you mean ‘schedule’?)"),
        Mistake(text: "inbox: 2s", place: "f.yaml:1", key: "inbox", found: "‘2s’"),
        Mistake(text: "inbox:\n  stable: [1s]", place: "f.yaml:2", key: "inbox.stable", found: "a list"),
        Mistake(text: "models: [schedule]", place: "f.yaml:1", key: "models", found: "‘schedule’"),
        Mistake(text: "models: [a, a]", place: "f.yaml:1", key: "models", found: "‘a’ twice"),
        Mistake(text: "models: [../a]", place: "f.yaml:1", key: "models", found: "‘../a’"),
        Mistake(text: "models: []", place: "f.yaml:1", key: "models", found: "none"),
        Mistake(text: "models: [poet]", place: "f.yaml", key: "poet.objective", found: "nothing"),
        Mistake(
            text: "kantaibert:\n  objective: rlhf", place: "f.yaml:2", key: "kantaibert.objective", found: "‘rlhf’"),
        Mistake(
            text: "kantaibert:\n  preset: kantaibert\n  hidden_size: 100", place: "f.yaml",
            key: "kantaibert.num_attention_heads",
            found: "12"),
        Mistake(
            text: "kantaibert:\n\n  block_size: 600", place: "f.yaml:3", key: "kantaibert.block_size", found: "600"),
        Mistake(
            text: "assistant:\n  held_out: 2", place: "f.yaml:2", key: "assistant.held_out", found: "‘2’"),
        Mistake(
            text: "schedule:\n  calendar: Mon..Fry 02:00", place: "f.yaml:2", key: "schedule.calendar",
            found: "‘Mon..Fry 02:00’: ‘Fry’ is neither a weekday nor a keyword such as daily"),
        Mistake(
            text: "assistant:\n  schedule:\n    calendar: '*-*-32 2:00'", place: "f.yaml:3",
            key: "assistant.schedule.calendar", found: "‘*-*-32 2:00’: day 32 is not between 1 and 31"),
        Mistake(
            text: "schedule:\n  window: 22:00-22:00", place: "f.yaml:2", key: "schedule.window",
            found: "‘22:00-22:00’: the opening and closing times are the same"),
        Mistake(text: "schedule:\n  every: 0s", place: "f.yaml:2", key: "schedule.every", found: "‘0s’"),
        Mistake(
            text: "schedule:\n  on_arrival: sometimes", place: "f.yaml:2", key: "schedule.on_arrival",
            found: "‘sometimes’"),
        Mistake(
            text: "kantaibert:\n  filters: [shout]", place: "f.yaml:2", key: "kantaibert.filters", found: "‘shout’"),
        Mistake(
            text: "kantaibert:\n  filters: [keep]", place: "f.yaml", key: "kantaibert.keep", found: "nothing"),
        Mistake(
            text: "kantaibert:\n  min_words: 3", place: "f.yaml:2", key: "kantaibert.min_words", found: "only its value"
        ),
        Mistake(text: "logging:\n  level: loud", place: "f.yaml:2", key: "logging.level", found: "‘loud’"),
    ]

    @Test(arguments: mistakes) func errorsNameThePlaceAndTheKey(_ mistake: Mistake) throws {
        let error = try #require(throws: SettingsError.self) {
            try Settings.parse(mistake.text, file: "f.yaml")
        }
        #expect(error.place == mistake.place)
        #expect(error.key == mistake.key)
        #expect(error.found == mistake.found)
    }

    @Test func errorsNameTheFileOrTheVariable() throws {
        let broken = try #require(throws: SettingsError.self) { try Settings.parse("a: [b", file: "f.yaml") }
        #expect(broken.place == "f.yaml" && broken.expected.contains("YAML"))
        let missing = try #require(throws: SettingsError.self) { try Settings.load(path: "/nonexistent/f.yaml") }
        #expect(missing.place == "/nonexistent/f.yaml")
        let variable = try #require(throws: SettingsError.self) {
            try Settings.parse("", file: "f.yaml", environment: ["KANTAIBERT_INBOX_STABLE": "soon"])
        }
        #expect(variable.place == "environment variable KANTAIBERT_INBOX_STABLE")
    }

    @Test(arguments: [
        ("training:\n  nice: 20", "an integer from 0 to 19"), ("serving:\n  top_p: 0", "a number from 1e-6 to 1"),
        ("kantaibert:\n  weight_decay: -1", "a number of at least 0"),
        ("kantaibert:\n  num_hidden_layers: 513", "an integer from 1 to 512, or auto"),
        ("schedule:\n  every: 0s", "a duration such as 2s, 1m or 24h, at least 1s, or none"),
        (
            "inbox:\n  poll: 1e300",
            "a duration such as 2s, 1m or 24h, at least 1s, at most 7d, or never, or auto"
        ), ("inbox:\n  stable: 1e300", "a duration such as 2s, 1m or 24h"),
    ])
    func errorsNameTheRange(text: String, range: String) throws {
        let error = try #require(throws: SettingsError.self) { try Settings.parse(text, file: "f.yaml") }
        #expect(error.expected == range)
    }
}

@Test(
    arguments: [
        ("training: {launcher: [mpirun, -np, 4, --host, \"a,b\"]}", ["mpirun", "-np", "4", "--host", "a,b"]),
        ("training: {launcher: mpirun -np 2}", ["mpirun", "-np", "2"]), ("training: {launcher: []}", []), ("", []),
    ] as [(String, [String])])
func launcherIsAListOrOneText(text: String, words: [String]) throws {
    #expect(try Settings.parse(text, file: "launcher.yaml").training.launcher == words)
}
