import Corpora
import Durable
import Glibc
import SettingsTable
import TextFilters
import TextReading

/// The settings in `.kbconfig.yaml` for the files in its directory and in those below.
package struct FolderConfiguration: Sendable {
    package static let fileName = ".kbconfig.yaml"
    private static let mostBytes = 64 << 10
    private static let keys =
        ["format", "encoding"]
        + TableKey.allCases.map(\.rawValue)
        + SettingsSource.filterKeys

    package var reading: ReadingOptions
    /// Replaces the model's filters; nil keeps those.
    package var filters: [TextFilter]?

    /// Reads the nearest configuration of a file, from its own directory up to the inbox. It is read again for each file, so that
    /// a change applies to the next file.
    /// - Throws: `SettingsError` with the line and the key
    package init(for file: InboxFile, inbox: String, defaults: ReadingOptions) throws(SettingsError) {
        reading = defaults
        // If the directory was removed or replaced by a link, the file no longer exists either.
        guard let folders = file.openFolders() else { return }
        let parts = file.relativePath.split(separator: "/").map(String.init)
        for (depth, folder) in folders.enumerated().reversed() {
            let path = ([inbox] + parts.prefix(depth) + [Self.fileName]).joined(separator: "/")
            if let text = try Self.text(in: folder, path) {
                try apply(text, path)
                return
            }
        }
    }

    /// Reads the nearest configuration of a file that is not in the inbox, from its own directory up to the root.
    /// - Parameter path: encoded by `RawPath`
    /// - Returns: the path of the configuration, if there is one
    package static func nearest(
        toFile path: String, defaults: ReadingOptions
    ) throws(SettingsError) -> (configuration: FolderConfiguration, path: String?) {
        var configuration = FolderConfiguration(reading: defaults)
        guard let resolved = path.withRawPath({ realpath($0, nil) }) else { return (configuration, nil) }
        defer { free(resolved) }
        var directory = RawPath.text(
            UnsafeBufferPointer(start: resolved, count: strlen(resolved)).map { UInt8(bitPattern: $0) })
        while let end = directory.lastIndex(of: "/") {
            directory = String(directory[..<end])
            let place = "\(directory)/\(fileName)"
            guard let folder = OpenFolder(directory + "/", depth: 0), let text = try Self.text(in: folder, place) else {
                continue
            }
            try configuration.apply(text, place)
            return (configuration, place)
        }
        return (configuration, nil)
    }

    private init(reading: ReadingOptions) { self.reading = reading }

    /// Returns nil if there is no such file.
    private static func text(in folder: OpenFolder, _ path: String) throws(SettingsError) -> String? {
        func refuse(_ found: String) -> SettingsError {
            SettingsError(place: path, key: nil, expected: "a file of at most \(mostBytes) bytes", found: found)
        }
        // Members of the group may write here: links are not followed, and opening a FIFO must not block.
        let descriptor = folder.openForReading(fileName)
        guard descriptor >= 0 else {
            if errno == ENOENT || errno == ENOTDIR { return nil }
            throw refuse(errno == ELOOP ? "a symbolic link" : String(cString: strerror(errno)))
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { throw refuse("no file") }
        var bytes = [UInt8](repeating: 0, count: mostBytes + 1)
        var count = 0
        while count < bytes.count {
            let got = bytes.withUnsafeMutableBytes { bytes in
                retrying { read(descriptor, bytes.baseAddress! + count, bytes.count - count) }
            }
            guard got >= 0 else { throw refuse(String(cString: strerror(errno))) }
            if got == 0 { break }
            count += got
        }
        guard count <= mostBytes else { throw refuse("more") }
        return String(decoding: bytes[..<count], as: UTF8.self)
    }

    private mutating func apply(_ text: String, _ path: String) throws(SettingsError) {
        // Aliases can expand exponentially, so a small file could take all memory.
        guard !text.contains("&") else {
            throw SettingsError(
                place: path, key: nil, expected: "YAML without anchors; in quotes \"\\x26\" is a &", found: "‘&’")
        }
        let source = try SettingsSource(file: path, text: text, environment: [:])
        for (key, _) in source.places.lines where !Self.keys.contains(key) {
            throw SettingsError(
                place: source.place(of: key), key: key, expected: "one of \(Self.keys.joined(separator: ", "))",
                found: UnknownKey.found(key, known: Self.keys))
        }
        reading.format = try source.word("format", as: TextFormat.self)
        if let encoding = try source.text("encoding") {
            guard EncodingSetting(encoding) != nil else {
                throw SettingsError(
                    place: source.place(of: "encoding"), key: "encoding",
                    expected:
                        "a name that `iconv --list` shows, such as windows-1252 or Shift_JIS, or such a name after "
                        + "UTF-8+ where some of the lines are UTF-8",
                    found: "‘\(encoding)’")
            }
            reading.encoding = encoding
        }
        try TableKey.read(source, into: &reading)
        filters = try source.filters(section: nil)
    }
}
