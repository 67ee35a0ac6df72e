import SettingsTable

/// The documentation of a key, independent of the structure that the key belongs to.
package struct SettingDescription: Sendable {
    package let key: String
    package let defaultText: String
    package let documentation: String
    /// Describes the accepted values, to follow "Expects".
    package let expected: String
    package let needsRestart: Bool

    fileprivate init<Root>(_ setting: Setting<Root>, default root: Root) {
        key = setting.key
        defaultText = setting.text(of: root)
        documentation = setting.documentation
        expected = setting.expected
        needsRestart = setting.change == .onRestart
    }

    /// Every key outside the models' sections.
    package static var service: [SettingDescription] {
        Settings.serviceSettings.map { SettingDescription($0, default: .builtIn) }
    }

    /// Every key in a model's section, with the defaults of the first built-in model.
    package static var model: [SettingDescription] {
        ModelSettings.settings.map { SettingDescription($0, default: Settings.builtIn.models[0]) }
    }
}
