import Durable
import FoundationEssentials
import Jobs
import SettingsTable
import TextFilters

extension Settings {
    /// Reads and validates the settings.
    /// - Parameters:
    ///   - path: the YAML file; nil to use only the environment
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

    /// Reads and validates the settings in `text`.
    package static func parse(_ text: String, file: String, environment: [String: String] = [:])
        throws(SettingsError) -> Settings
    {
        try read(SettingsSource(file: file, text: text, environment: environment))
    }

    private static func read(_ source: SettingsSource) throws(SettingsError) -> Settings {
        var settings = Settings.builtIn
        let names = try readModelNames(source) ?? settings.models.map(\.name)
        // A model that a variable excludes may keep its section in the file.
        try refuseUnknownKeys(source, models: names + (source.listInFile(modelsKey.key) ?? settings.modelNames))
        for section in sections { try source.apply(section.settings, section: nil, to: &settings) }
        var models: [ModelSettings] = []
        for name in names {
            models.append(try ModelSettings(name: name, source: source, schedule: settings.schedule))
        }
        settings.models = models
        settings.origins = SettingOrigins(of: keys(models: names), in: source)
        return settings
    }

    private static func readModelNames(_ source: SettingsSource) throws(SettingsError) -> [String]? {
        let key = modelsKey.key
        guard let names = try source.list(key) else { return nil }
        func refuse(_ expected: String, _ found: String) -> SettingsError {
            SettingsError(place: source.place(of: key), key: key, expected: expected, found: found)
        }
        guard !names.isEmpty else { throw refuse("the name of at least one model", "none") }
        for (index, name) in names.enumerated() {
            guard !sectionNames.contains(name) else {
                throw refuse("a name other than those of the sections", "‘\(name)’")
            }
            // Names become directories, keys and environment variables.
            guard let first = name.utf8.first, (0x61...0x7a).contains(first), name.utf8.count <= 64,
                name.utf8.allSatisfy({
                    (0x61...0x7a).contains($0) || (0x30...0x39).contains($0) || $0 == 0x5f || $0 == 0x2d
                })
            else { throw refuse("names of a-z, 0-9, _ and -, beginning with a letter", "‘\(name)’") }
            guard !names[..<index].contains(name) else { throw refuse("each name once", "‘\(name)’ twice") }
        }
        return names
    }

    /// Otherwise a misspelled key would silently have no effect.
    private static func refuseUnknownKeys(_ source: SettingsSource, models: [String]) throws(SettingsError) {
        let known = Set(
            serviceSettings.map(\.key) + models.flatMap { name in ModelSettings.settings.map { "\(name).\($0.key)" } })
        let parents = Set(
            known.flatMap { key in
                let parts = key.split(separator: ".")
                return parts.indices.map { parts[..<$0].joined(separator: ".") }
            })
        for (key, _) in source.places.lines {
            if parents.contains(key) {
                guard let text = try source.text(key) else { continue }
                throw SettingsError(
                    place: source.place(of: key), key: key, expected: "keys below it", found: "‘\(text)’")
            }
            guard !known.contains(key) else { continue }
            var parts = key.split(separator: ".")
            // A key of dots has no parts.
            let name = parts.popLast().map(String.init) ?? key
            let prefix = parts.map { "\($0)." }.joined()
            let siblings = known.union(parents).filter { $0.hasPrefix(prefix) && $0.count > prefix.count }
                .map { String($0.dropFirst(prefix.count)) }.filter { !$0.contains(".") }.sorted()
            let expected =
                switch siblings.count {
                case 0: "a section or a model listed under models"
                case ...16: "one of \(siblings.joined(separator: ", "))"
                default: "a key of kantaibert.yaml(5)"
                }
            throw SettingsError(
                place: source.place(of: key), key: key, expected: expected,
                found: UnknownKey.found(name, known: siblings))
        }
    }
}

extension SettingsSource {
    /// Sets every property whose key has a value.
    /// - Parameter section: the section that the keys are in; nil if they include it
    func apply<Root>(_ settings: [Setting<Root>], section: String?, to root: inout Root) throws(SettingsError) {
        for setting in settings {
            let key = section.map { "\($0).\(setting.key)" } ?? setting.key
            guard let texts = setting.isList ? try list(key) : try text(key).map({ [$0] }) else { continue }
            do {
                try setting.apply(texts, to: &root)
            } catch {
                let found = "‘\(error.found)’" + (error.reason.map { ": \($0)" } ?? "")
                throw SettingsError(place: place(of: key), key: key, expected: setting.expected, found: found)
            }
        }
    }

    /// The keys that `filters` reads.
    package static let filterKeys = FilterKeys.settings.map(\.key)

    /// Returns the filters, or nil if none of their keys is set.
    /// - Parameter section: the section that the keys are in; nil if they are at the top
    package func filters(section: String?) throws(SettingsError) -> [TextFilter]? {
        var keys = FilterKeys()
        try apply(FilterKeys.settings, section: section, to: &keys)
        return try filters(keys, section: section)
    }

    func filters(_ keys: FilterKeys, section: String?) throws(SettingsError) -> [TextFilter]? {
        do {
            return try keys.filters()
        } catch {
            let key = section.map { "\($0).\(error.key)" } ?? error.key
            throw SettingsError(place: place(of: key), key: key, expected: error.expected, found: error.found)
        }
    }

    /// Returns the case that `key` names, or nil if it is not set.
    package func word<Word: RawRepresentable<String> & CaseIterable>(_ key: String, as: Word.Type)
        throws(SettingsError) -> Word?
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
        // The objective of any other model has to be set, and is applied with the other keys.
        let builtIn = Settings.builtIn.model(named: name)?.objective
        guard let objective = try source.word("\(name).objective", as: Objective.self) ?? builtIn else {
            throw SettingsError(
                place: source.place(of: name), key: "\(name).objective", expected: "one of mlm, clm", found: "nothing")
        }
        self.init(name: name, objective: objective, schedule: schedule)
        try source.apply(ModelSettings.settings, section: name, to: &self)
        filters = try source.filters(filterKeys, section: name) ?? []
        // An empty list is also the default.
        if filterKeys.names == [] { filterKeys.names = nil }
        do {
            try recipe.validate(for: objective, architecture)
        } catch {
            let key = "\(name)." + (error.key.split(separator: ".").last.map(String.init) ?? error.key)
            throw SettingsError(place: source.place(of: key), key: key, expected: error.expected, found: error.found)
        }
    }
}
