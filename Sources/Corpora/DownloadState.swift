import TextReading

extension OpenFolder {
    /// Returns the name of the state file that a download program keeps beside an unfinished file, or nil if there is
    /// none.
    func stateOfDownload(_ name: String) -> String? {
        Sidecar.stateEndings.lazy.map { name + $0 }.first { self.status(of: $0) != nil }
    }
}
