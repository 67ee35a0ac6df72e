import Jobs
import SettingsTable

/// The settings file that is installed: every key, commented out, with its documentation and default.
package enum SettingsFile {
    package static let path = "etc/kantaibert/kantaibert.yaml"

    /// Columns of the longest line.
    private static let width = 120

    /// The content of the file.
    package static var text: String {
        var lines = comment(
            """
            Settings of kantaibertd: see kantaibert.yaml(5). Every key is listed; those that begin with # show their default \
            and have no effect.
            """)
        lines += comment(
            """
            Environment variables override keys: \(SettingsSource.variable(for: "schedule.settle"))=10s, \
            \(SettingsSource.variable(for: "assistant.learning_rate"))=0.0005.
            """)
        lines += comment("Durations are written as 500ms, 2s, 1m or 24h, or as a number of seconds.")
        lines += comment(
            "This file is generated from the tables in Sources/Settings and Sources/Jobs by `make generate`.")
        lines += [""] + entry(Settings.modelsKey, of: .builtIn, nestedIn: nil)
        lines += sections(ofModels: Settings.builtIn.models)
        for section in Settings.sections {
            lines += [""] + comment(section.documentation) + ["\(section.name):"]
            for setting in section.settings { lines += entry(setting, of: .builtIn, nestedIn: section.name) }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// The first model's section has every key, the sections of the others have only the keys whose defaults differ.
    private static func sections(ofModels models: [ModelSettings]) -> [String] {
        models.enumerated().flatMap { index, model in
            let heading =
                switch model.objective {
                case .mlm: #"Fills masks: kbctl fill "Human thinking involves human <mask>.""#
                case .clm: #"Continues text: kbctl ask "I would like to assist""#
                }
            let intro =
                index == 0 ? "" : " The keys of \(models[0].name) whose defaults differ; all others can be set, too."
            return ["", "# \(heading)"] + (intro.isEmpty ? [] : comment(String(intro.dropFirst()))) + ["\(model.name):"]
                + (index == 0 ? allKeys(of: model) : keys(of: model, differingFrom: models[0]))
        }
    }

    private static func allKeys(of model: ModelSettings) -> [String] {
        var lines: [String] = []
        for (index, group) in ModelSettings.groups.enumerated() {
            if index > 0 { lines.append("") }
            if let section = group.first?.key.split(separator: "."), section.count > 1 {
                lines += comment("As the section \(section[0]), for this model alone.", indent: 2)
                lines.append("  #\(section[0]):")
                lines += group.map { "    #\($0.key.dropFirst(section[0].count + 1)): \(quoted($0.text(of: model)))" }
            } else {
                for setting in group { lines += entry(setting, of: model, nestedIn: "") }
            }
        }
        return lines
    }

    private static func keys(of model: ModelSettings, differingFrom first: ModelSettings) -> [String] {
        ModelSettings.settings.filter { !$0.isEqual(model, first) }.map {
            "  #\($0.key): \(quoted($0.text(of: model)))"
        }
    }

    /// - Parameter section: the section that the key is in; nil at the top
    private static func entry<Root>(_ setting: Setting<Root>, of root: Root, nestedIn section: String?) -> [String] {
        let indent = section == nil ? 0 : 2
        let key = section.map { $0.isEmpty ? setting.key : String(setting.key.dropFirst($0.count + 1)) } ?? setting.key
        let line = String(repeating: " ", count: indent) + "#\(key): \(quoted(setting.text(of: root)))"
        return comment(setting.documentation, indent: indent) + [line]
    }

    /// Wraps `text` into comment lines. In a comment, a space follows the `#`; before a key, there is none.
    private static func comment(_ text: String, indent: Int = 0) -> [String] {
        let prefix = String(repeating: " ", count: indent) + "#"
        var lines = [prefix]
        for word in text.split(separator: " ") {
            if lines[lines.count - 1].count + 1 + word.count > width { lines.append(prefix) }
            lines[lines.count - 1] += " \(word)"
        }
        return lines
    }

    /// Quotes a value that YAML would read as something other than this text.
    private static func quoted(_ value: String) -> String {
        let isOctal = value.count > 1 && value.first == "0" && value.allSatisfy(\.isNumber)
        return isOctal || value.isEmpty || value.contains(": ") ? "\"\(value)\"" : value
    }
}
