/// A file that accompanies other files, or that is not complete yet, recognized by its name alone. Such files are
/// neither admitted nor rejected: they stay in the inbox, and as members of an archive they are skipped.
public enum Sidecar: Sendable, Hashable, CaseIterable {
    /// An editor's, a browser's or a copying program's temporary or private file, which is renamed when it is complete.
    case unfinished
    /// Metadata that an operating system or a file manager keeps about a file or a folder.
    case metadata
    /// Checksums of other files.
    case checksums
    /// A file that was meant as `.kbconfig.yaml`.
    case misnamedConfiguration

    /// Returns the kind of a file with this name, which is the last component of a path; nil for any other file.
    public static func kind(ofName name: String) -> Sidecar? {
        let lowercased = name.lowercased()
        return table.first { _, isNamed in isNamed(Name(name: name, lowercased: lowercased)) }?.kind
    }

    /// Why the file is not read, worded as a predicate.
    public var reason: String {
        switch self {
        case .unfinished:
            "is an unfinished or private file of another program, which is read once it has its final name"
        case .metadata: "is metadata of an operating system about other files, not text"
        case .checksums: "is a list of checksums, not text"
        case .misnamedConfiguration: "is not read as a configuration: name it .kbconfig.yaml"
        }
    }

    private struct Name {
        let name: String
        let lowercased: String

        func `is`(_ names: String...) -> Bool { names.contains(lowercased) }
        func ends(_ endings: String...) -> Bool { endings.contains(where: lowercased.hasSuffix) }
        func begins(_ beginnings: String...) -> Bool { beginnings.contains(where: name.hasPrefix) }

        /// The last extension in lower case, without the dot.
        var ending: Substring {
            lowercased.lastIndex(of: ".").map { lowercased[lowercased.index(after: $0)...] } ?? ""
        }
    }

    /// The first row that matches decides.
    private static let table: [(kind: Sidecar, isNamed: @Sendable (Name) -> Bool)] = [
        (.misnamedConfiguration, { $0.is("kbconfig.yaml", "kbconfig.yml", ".kbconfig.yml") }),
        // Windows, when a downloaded file is copied from NTFS; macOS beside each file on other file systems.
        (.metadata, { $0.ends(":zone.identifier") || $0.begins("._") }),
        (.metadata, { $0.is("desktop.ini", "thumbs.db", "ehthumbs.db", ".ds_store", ".directory") }),
        // Editors: vim, whose check for a writable directory is `4913`, Emacs, office programs.
        (.unfinished, { $0.ends("~", ".swp", ".swo", ".swx") || $0.is("4913") || $0.begins("~$") }),
        (.unfinished, { $0.begins("#") && $0.ends("#") }),
        // Also syncthing's `.syncthing.NAME.tmp`, `~syncthing~NAME.tmp` and `NAME.sync-conflict-….tmp`.
        (.unfinished, { $0.ends(".tmp", ".temp") || $0.begins(".syncthing.", "~syncthing~") }),
        // Browsers and download programs.
        (.unfinished, { $0.ends(".crdownload", ".download", ".opdownload", ".filepart", ".!qb", ".!ut", ".bc!") }),
        (.unfinished, { $0.ending.hasPrefix("part") && isNumberOfPart($0.ending.dropFirst(4)) }),
        (.unfinished, { $0.ends(".part.met") }),
        // lftp's temporary files, and what aria2, axel and lftp note beside a file that they are downloading.
        (.unfinished, { $0.begins(".in.") || stateEndings.contains(where: $0.lowercased.hasSuffix) }),
        (.checksums, { $0.begins("CHECKSUM") || $0.is("checksums.txt", "checksum.txt", "checksums", "checksum") }),
        (.checksums, { digests.contains(String($0.ending)) || lists.contains($0.lowercased) }),
    ]

    /// What follows `.part` in the extension of an unfinished file: `.part`, `.part2`, `.partial`, `.part-Frag7`.
    private static func isNumberOfPart(_ rest: Substring) -> Bool {
        rest.isEmpty || rest == "ial" || rest.hasPrefix("-") || rest.allSatisfy { $0.isASCII && $0.isNumber }
    }

    private static let digests: Set<String> = Set(
        ["md5", "sha1", "sha224", "sha256", "sha384", "sha512", "b2"].flatMap { [$0, $0 + "sum"] })

    /// Names such as `sha256sums`.
    private static let lists = Set(digests.map { $0 + "s" })

    /// The endings of files that a download program keeps beside an unfinished file, which already has its final name.
    package static let stateEndings = [".aria2", ".st", ".lftp-pget-status"]

    /// Returns the name of the unfinished file that a download program's state belongs to, or nil for any other file.
    package static func unfinishedName(ofState name: String) -> String? {
        stateEndings.first { name.hasSuffix($0) }.map { String(name.dropLast($0.utf8.count)) }
    }
}
