/// The watched directories of the inbox, by watch descriptor and by path. A pure value type.
package struct WatchedFolders {
    /// The path of each directory. At most one watch has a path.
    private var paths: [Int32: String] = [:]
    /// The inverse of `paths`.
    private var watches: [String: Int32] = [:]
    /// The directories in which other hosts may make changes.
    private var unreported: Set<String> = []

    package init() {}

    package var count: Int { paths.count }

    package func path(of watch: Int32) -> String? { paths[watch] }

    package func contains(_ path: String) -> Bool { watches[path] != nil }

    /// Whether other hosts may make changes in this directory, which are not reported.
    package func isUnreported(_ path: String) -> Bool { unreported.contains(path) }

    /// Adds a directory, or renames it if its watch is known under another path.
    /// - Returns: the watch of another directory that had this path before, which is forgotten; nil if there is none
    package mutating func add(_ watch: Int32, _ path: String, isUnreported: Bool) -> Int32? {
        remove(watch)
        let replaced = watches[path]
        if let replaced { remove(replaced) }
        paths[watch] = path
        watches[path] = watch
        if isUnreported { unreported.insert(path) }
        return replaced
    }

    package mutating func remove(_ watch: Int32) {
        guard let path = paths.removeValue(forKey: watch) else { return }
        watches[path] = nil
        unreported.remove(path)
    }

    /// Returns the watches of a directory and of those below it.
    package func watches(in folder: String) -> [Int32] {
        let inside = folder + "/"
        return paths.filter { $0.value == folder || $0.value.hasPrefix(inside) }.map(\.key)
    }

    /// Forgets all directories.
    /// - Returns: their watches
    package mutating func removeAll() -> [Int32] {
        defer { self = WatchedFolders() }
        return Array(paths.keys)
    }
}
