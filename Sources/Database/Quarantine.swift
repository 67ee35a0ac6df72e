import Durable
import FoundationEssentials
import Glibc

/// Databases that could not be used any more, beside the one that is: `metrics.db.damaged-TIME`, and `metrics.db.newer-TIME`
/// where nothing was wrong with it but that a newer version of this program had written it.
enum Quarantine {
    /// The newest damaged ones are kept, for who wants to save something out of them. Newer ones all: they are whole.
    private static let keptDamaged = 3
    /// The log and the index of SQLite belong to the file.
    private static let suffixes = ["-wal", "-shm", ""]

    /// Gives the database and what belongs to it a name with the time in it, and removes the oldest damaged ones.
    /// - Returns: where it lies now
    static func move(_ path: String, because reason: MetricsError) throws(MetricsError) -> String {
        let time = Date().formatted(Date.ISO8601FormatStyle(dateSeparator: .omitted, timeSeparator: .omitted))
        let kind = reason.isNewer ? "newer" : "damaged"
        var aside = "\(path).\(kind)-\(time)"
        var number = 1
        while access(aside, F_OK) == 0 {
            number += 1
            aside = "\(path).\(kind)-\(time)-\(number)"
        }
        for suffix in suffixes where access(path + suffix, F_OK) == 0 {
            guard rename(path + suffix, aside + suffix) == 0 else { throw reason }
        }
        removeOld(of: path, keeping: aside)
        return aside
    }

    /// Where one cannot be removed it stays: no reason not to begin anew.
    private static func removeOld(of path: String, keeping newest: String) {
        let folder = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
        let prefix = String(path[(path.lastIndex(of: "/").map(path.index(after:)) ?? path.startIndex)...]) + ".damaged-"
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        let old = names.filter { name in
            name.hasPrefix(prefix) && !suffixes.dropLast().contains(where: name.hasSuffix)
                && "\(folder)/\(name)" != newest
        }
        // Their times sort as text. The one just set aside counts as the newest, wherever the clock is.
        for name in old.sorted().dropLast(keptDamaged - 1) {
            for suffix in suffixes { try? Durable.removeTree("\(folder)/\(name)\(suffix)") }
        }
    }
}
