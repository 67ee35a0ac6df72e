import Formatting

/// The wording of errors about unknown keys.
public enum UnknownKey {
    /// Returns "an unknown key", with the known key that was probably meant.
    public static func found(_ key: String, known: some Sequence<String>) -> String {
        Spelling.nearest(to: key, in: known).map { "an unknown key (did you mean ‘\($0)’?)" } ?? "an unknown key"
    }
}
