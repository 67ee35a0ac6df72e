import Foundation

/// Copies a folder and the files in it, which may belong to another user: `FileManager.copyItem` keeps a folder's owner, and only
/// root can do that.
public func copyFolder(_ source: String, to target: String) throws {
    try FileManager.default.createDirectory(atPath: target, withIntermediateDirectories: false)
    for name in try FileManager.default.contentsOfDirectory(atPath: source) {
        try FileManager.default.copyItem(atPath: "\(source)/\(name)", toPath: "\(target)/\(name)")
    }
}
