import Durable
import FoundationEssentials
import Jobs
import TextFilters

extension Settings {
    /// Reads and checks the settings.
    /// - Parameters:
    ///   - path: the YAML file; nil where only the environment counts
    ///   - environment: `KANTAIBERT_SCHEDULE_SETTLE=1s` overrides `schedule.settle`, and so on for every key
    public static func load(path: String?, environment: [String: String] = [:]) throws(SettingsError) -> Settings {
        var text = ""
        if let path {
            do {
                text = String(decoding: try Durable.read(path), as: UTF8.self)
            } catch {
                throw SettingsError(place: path, key: nil, expected: "a readable file", found: "\(error)")
            }
        }
        return try read(SettingsSource(file: path, text: text, environment: environment))
    }

    /// As `load`, of a text that is at hand.
    package static func parse(_ text: String, file: String, environment: [String: String] = [:])
        throws(SettingsError) -> Settings
    {
        try read(SettingsSource(file: file, text: text, environment: environment))
    }

    private static func read(_ source: SettingsSource) throws(SettingsError) -> Settings {
        var settings = Settings.builtIn
        let names = try modelNames(source) ?? settings.models.map(\.name)
        // A model that a variable leaves out may keep its section in the file.
        try refuseUnknownKeys(source, models: names + (source.listInFile("models") ?? builtIn.models.map(\.name)))
        try source.apply(inboxKeys, section: "inbox", to: &settings.inbox)
        try source.apply(scheduleKeys, section: "schedule", to: &settings.schedule)
        try source.apply(trainingKeys, section: "training", to: &settings.training)
        try source.apply(promotionKeys, section: "promotion", to: &settings.promotion)
        try source.apply(retentionKeys, section: "retention", to: &settings.retention)
        try source.apply(servingKeys, section: "serving", to: &settings.serving)
        try source.apply(socketKeys, section: "socket", to: &settings.socket)
        try source.apply(loggingKeys, section: "logging", to: &settings.logging)
        var models: [ModelSettings] = []
        for name in names {
            models.append(try ModelSettings(name: name, source: source, schedule: settings.schedule))
        }
        settings.models = models
        return settings
    }

    private static func modelNames(_ source: SettingsSource) throws(SettingsError) -> [String]? {
        guard let names = try source.list("models") else { return nil }
        func refuse(_ expected: String, _ found: String) -> SettingsError {
            SettingsError(place: source.place(of: "models"), key: "models", expected: expected, found: found)
        }
        guard !names.isEmpty else { throw refuse("the name of at least one model", "none") }
        for (index, name) in names.enumerated() {
            guard !sections.contains(name) else {
                throw refuse("a name that no section of the settings has", "‘\(name)’")
            }
            // Names become folders, keys and environment variables.
            guard let first = name.utf8.first, (0x61...0x7a).contains(first), name.utf8.count <= 64,
                name.utf8.allSatisfy({
                    (0x61...0x7a).contains($0) || (0x30...0x39).contains($0) || $0 == 0x5f || $0 == 0x2d
                })
            else { throw refuse("names of a-z, 0-9, _ and -, beginning with a letter", "‘\(name)’") }
            guard !names[..<index].contains(name) else { throw refuse("each name once", "‘\(name)’ twice") }
        }
        return names
    }

    /// A mistyped key would silently leave the default in force.
    private static func refuseUnknownKeys(_ source: SettingsSource, models: [String]) throws(SettingsError) {
        let known = Set(generalKeys + models.flatMap { name in modelKeys.map { "\(name).\($0)" } })
        let sections = Set(
            known.flatMap { key in
                let parts = key.split(separator: ".")
                return parts.indices.map { parts[..<$0].joined(separator: ".") }
            })
        for (key, _) in source.places.lines {
            if sections.contains(key) {
                guard let text = try source.text(key) else { continue }
                throw SettingsError(
                    place: source.place(of: key), key: key, expected: "keys below it", found: "‘\(text)’")
            }
            guard !known.contains(key) else { continue }
            let section = key.split(separator: ".").dropLast().joined(separator: ".")
            let prefix = section.isEmpty ? "" : "\(section)."
            let siblings = known.union(sections).filter {
                $0.hasPrefix(prefix) && !$0.dropFirst(prefix.count).contains(".")
            }
            .map { String($0.dropFirst(prefix.count)) }.filter { !$0.isEmpty }.sorted()
            throw SettingsError(
                place: source.place(of: key), key: key,
                expected: siblings.isEmpty
                    ? "a model listed under models, or a section" : "one of \(siblings.joined(separator: ", "))",
                found: "an unknown key")
        }
    }
}

extension SettingsSource {
    /// - Parameter section: nil for keys at the top
    func apply<Root>(_ keys: [SettingsKey<Root>], section: String?, to root: inout Root) throws(SettingsError) {
        for key in keys {
            let name = section.map { "\($0).\(key.name)" } ?? key.name
            guard let text = try text(name) else { continue }
            guard key.apply(text, &root) else {
                let found = "‘\(text)’" + (key.explain(text).map { ": \($0)" } ?? "")
                throw SettingsError(place: place(of: name), key: name, expected: key.expected, found: found)
            }
        }
    }

    /// The list `filters` with the values in keys beside it; nil where there is neither.
    /// - Parameter section: nil for keys at the top
    func filters(section: String?) throws(SettingsError) -> [TextFilter]? {
        func key(_ name: String) -> String { section.map { "\($0).\(name)" } ?? name }
        let names = try list(key("filters"))
        var values = TextFilterValues()
        try apply(TextFilterValues.keys, section: section, to: &values)
        guard names != nil || values != TextFilterValues() else { return nil }
        do {
            return try TextFilter.named(names ?? [], values)
        } catch {
            let key = key(error.key)
            throw SettingsError(place: place(of: key), key: key, expected: error.expected, found: error.found)
        }
    }

    func word<Word: RawRepresentable<String> & CaseIterable>(_ key: String, as: Word.Type) throws(SettingsError)
        -> Word?
    {
        guard let text = try text(key) else { return nil }
        guard let word = Word(rawValue: text) else {
            let words = Word.allCases.map(\.rawValue).joined(separator: ", ")
            throw SettingsError(place: place(of: key), key: key, expected: "one of \(words)", found: "‘\(text)’")
        }
        return word
    }
}

extension ModelSettings {
    init(name: String, source: SettingsSource, schedule: ScheduleSettings) throws(SettingsError) {
        let usual = Settings.builtIn.model(named: name)?.objective
        guard let objective = try source.word("\(name).objective", as: Objective.self) ?? usual else {
            throw SettingsError(
                place: source.place(of: name), key: "\(name).objective", expected: "one of mlm, clm", found: "nothing")
        }
        let preset = try source.word("\(name).preset", as: Preset.self) ?? .kantaibert
        self.init(name: name, objective: objective, preset: preset, schedule: schedule)
        recipeName = try source.word("\(name).recipe", as: RecipeName.self) ?? .default
        recipe = recipeName.recipe(for: objective)
        try source.apply(Architecture.keys, section: name, to: &architecture)
        try source.apply(Recipe.keys, section: name, to: &recipe)
        samples = try source.word("\(name).samples", as: SampleUnit.self) ?? samples
        filters = try source.filters(section: name) ?? []
        tokenizer = try source.text("\(name).tokenizer")
        try source.apply(Settings.scheduleKeys, section: "\(name).schedule", to: &self.schedule)
        try checkTogether(source)
    }

    /// What a run would refuse is refused here, before anything is trained.
    private func checkTogether(_ source: SettingsSource) throws(SettingsError) {
        let probe = Job(
            run: "probe", model: name, generation: 1, objective: objective, architecture: architecture, recipe: recipe,
            corpora: [
                JobCorpus(sha256: String(repeating: "0", count: 64), name: "probe", path: "/probe", bytes: 1)
            ], samples: samples, filters: filters, tokenizer: tokenizer, runDirectory: "/probe",
            outputDirectory: "/probe")
        do {
            try probe.validate()
        } catch {
            let key = "\(name)." + (error.key.split(separator: ".").last.map(String.init) ?? error.key)
            throw SettingsError(place: source.place(of: key), key: key, expected: error.expected, found: error.found)
        }
    }
}
