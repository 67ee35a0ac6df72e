import SettingsTable

/// Where the value of a setting was found.
public enum SettingOrigin: Sendable, Equatable {
    /// A file, with the line if it is known.
    case file(place: String)
    case environment(variable: String)
}

/// The origin of each setting that is not a default, by its key.
///
/// Settings with the same values are equal wherever these come from, so all values of this type are equal.
public struct SettingOrigins: Sendable, Equatable {
    private var origins: [String: SettingOrigin] = [:]

    init() {}

    init(of keys: some Sequence<String>, in source: SettingsSource) {
        for key in keys { origins[key] = source.origin(of: key) }
    }

    public subscript(key: String) -> SettingOrigin? { origins[key] }

    public static func == (one: SettingOrigins, other: SettingOrigins) -> Bool { true }
}

/// A setting in force.
package struct SettingInForce: Sendable, Equatable {
    package let key: String
    /// The value as a settings file shows it.
    package let text: String
    /// Nil for a default.
    package let origin: SettingOrigin?

    package init(key: String, text: String, origin: SettingOrigin?) {
        self.key = key
        self.text = text
        self.origin = origin
    }
}

extension Settings {
    /// The keys of all settings, in the order of the settings file.
    static func keys(models: [String]) -> [String] {
        serviceSettings.map(\.key) + models.flatMap { name in ModelSettings.settings.map { "\(name).\($0.key)" } }
    }

    /// Every setting with its value.
    package var inForce: [SettingInForce] {
        let service = Settings.serviceSettings.map { setting in
            SettingInForce(key: setting.key, text: setting.text(of: self), origin: origins[setting.key])
        }
        return service
            + models.flatMap { model in
                ModelSettings.settings.map { setting in
                    let key = "\(model.name).\(setting.key)"
                    // A model has the schedule of the service where its own section says nothing.
                    return SettingInForce(
                        key: key, text: setting.text(of: model), origin: origins[key] ?? origins[setting.key])
                }
            }
    }
}
