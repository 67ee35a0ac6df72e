import TextReading

extension OpenFolder {
    /// Returns the name of a download program's state file beside a file, which is unfinished as long as it exists.
    func stateOfDownload(_ name: String) -> String? {
        Sidecar.stateEndings.lazy.map { name + $0 }.first { self.status(of: $0) != nil }
    }
}
