import Durable
import FoundationEssentials
import Glibc

/// Databases that could not be used any more, next to the current one: `metrics.db.damaged-TIME`, or
/// `metrics.db.newer-TIME` if it was written by a newer version of this program.
enum Quarantine {
    /// The number of damaged databases kept, for recovering data from them. Those of newer versions are intact and all kept.
    private static let keptDamaged = 3
    /// The log and its index, which belong to the database, and the database itself.
    private static let suffixes = ["-wal", "-shm", ""]

    /// Renames the database and its log with the time as a suffix, and removes the oldest damaged ones.
    /// - Returns: the new path
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

    /// Removes old damaged databases. Failures are ignored, because they do not prevent creating a new database.
    private static func removeOld(of path: String, keeping newest: String) {
        let folder = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
        let prefix = String(path[(path.lastIndex(of: "/").map(path.index(after:)) ?? path.startIndex)...]) + ".damaged-"
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        let old = names.filter { name in
            name.hasPrefix(prefix) && !suffixes.dropLast().contains(where: name.hasSuffix)
                && "\(folder)/\(name)" != newest
        }
        // The times in the names sort as text. The database just renamed counts as the newest, regardless of the clock.
        for name in old.sorted().dropLast(keptDamaged - 1) {
            for suffix in suffixes { try? Durable.removeTree("\(folder)/\(name)\(suffix)") }
        }
    }
}
