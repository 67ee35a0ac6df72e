import Events
import Settings

/// A committed file that is generated from the sources.
struct GeneratedFile {
    /// Relative to the root of the repository.
    let path: String
    let text: String

    static let all = [
        GeneratedFile(path: SettingsFile.path, text: SettingsFile.text),
        GeneratedFile(path: EventCatalog.path, text: EventCatalog.text),
    ]
}
