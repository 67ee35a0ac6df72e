/// Names that programs give to what they have not finished, or keep for themselves: editors, browsers and copying
/// programs. They rename the file when it is done.
enum UnfinishedNames {
    private static let endings = [
        "~", ".swp", ".swo", ".swx", ".tmp", ".temp", ".part", ".partial", ".crdownload", ".download", ".filepart",
        ".opdownload",
    ]

    static func contains(_ name: String) -> Bool {
        // `4913` is vim's try whether it may write in a folder; `#x#` is Emacs's, `~$x` an office program's.
        name == "4913" || name.hasPrefix("#") && name.hasSuffix("#") || name.hasPrefix("~$")
            || endings.contains { name.lowercased().hasSuffix($0) }
    }
}
