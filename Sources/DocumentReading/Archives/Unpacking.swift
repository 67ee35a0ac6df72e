import TextReading

/// A file, or a member of an archive that was unpacked.
struct Item {
    /// The file's name, or the path in the archive.
    var name: String
    var region: FileRegion
    /// How many levels of packing may be inside it.
    var levels: Int

    /// The path of a member of this archive for messages, without the name of the file that was dropped.
    func path(ofMember member: String) -> String {
        levels == DocumentReader.mostLevels - 1 ? member : "\(name)/\(member)"
    }
}

/// The state of unpacking one file.
struct Unpacking {
    let limit: ExpansionLimit
    /// The file as an archive, such as `tar archive`. Nil until it is known to be one.
    private(set) var archive: String?
    /// How the file is compressed, such as `gzip-compressed `.
    var compression = ""
    var log = MemberLog()

    init(limit: ExpansionLimit) { self.limit = limit }

    /// Accounts for an archive; the outermost one describes the file.
    mutating func beginArchive(_ packing: Packing) {
        if archive == nil { archive = "\(packing.name) archive" }
    }

    /// Whether a user would expect the member to be read.
    mutating func wants(_ member: Archive.Member) -> Bool {
        switch member.kind {
        case .folder: return false
        case .link: log.ignore("link")
        case .special: log.ignore("special file")
        case .file:
            let parts = member.name.split(separator: "/")
            if parts.contains("__MACOSX") || parts.last.map({ Sidecar.kind(ofName: String($0)) != nil }) ?? false {
                log.ignore("sidecar file")
            } else if parts.contains(where: { $0.hasPrefix(".") && $0 != "." && $0 != ".." }) {
                log.ignore("hidden file")
            } else {
                return true
            }
        }
        return false
    }
}
