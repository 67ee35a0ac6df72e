import Glibc

/// Splits a path into its directory and its last component. Ignores trailing slashes.
package func splitPath(_ path: String) -> (folder: String, name: String) {
    var path = Substring(path)
    while path.count > 1, path.hasSuffix("/") { path.removeLast() }
    guard let slash = path.lastIndex(of: "/") else { return (".", String(path)) }
    let folder = slash == path.startIndex ? "/" : String(path[..<slash])
    return (folder, String(path[path.index(after: slash)...]))
}

func joinPath(_ folder: String, _ name: String) -> String {
    folder.hasSuffix("/") ? folder + name : "\(folder)/\(name)"
}

/// Returns the names in a directory, sorted by their bytes, without `.` and `..`.
func names(in directory: String) throws(DurableError) -> [String] {
    guard let stream = opendir(directory) else { throw DurableError("opendir", directory) }
    defer { closedir(stream) }
    var names: [String] = []
    while true {
        errno = 0
        guard let entry = readdir(stream) else {
            guard errno == 0 else { throw DurableError("readdir", directory) }
            return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        }
        let name = withUnsafePointer(to: &entry.pointee.d_name) {
            $0.withMemoryRebound(to: CChar.self, capacity: Int(NAME_MAX) + 1) { String(cString: $0) }
        }
        if name != ".", name != ".." { names.append(name) }
    }
}

/// Repeats a system call as long as it fails with `EINTR`.
package func retrying<Result: SignedInteger>(_ call: () -> Result) -> Result {
    while true {
        let result = call()
        if result != -1 || errno != EINTR { return result }
    }
}
