/// Names that editors, browsers and copying programs use for temporary or private files. Such a file is renamed when it
/// is complete.
enum PartialFilePatterns {
    private static let endings = [
        "~", ".swp", ".swo", ".swx", ".tmp", ".temp", ".part", ".partial", ".crdownload", ".download", ".filepart",
        ".opdownload",
    ]

    static func contains(_ name: String) -> Bool {
        // `4913` is vim's check for a writable directory, `#x#` belongs to Emacs, `~$x` to office programs.
        name == "4913" || name.hasPrefix("#") && name.hasSuffix("#") || name.hasPrefix("~$")
            || endings.contains { name.lowercased().hasSuffix($0) }
    }
}
