import Distribution
import Foundation
import Testing

/// Returns the error of loading the plugin from a folder with the given file, if any.
private func failure(_ write: (String) throws -> Void) throws -> CommunicationError? {
    let folder = FileManager.default.temporaryDirectory.appending(path: "plugin-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try write("\(folder)/\(Launcher.mpich.pluginFile)")
    do {
        _ = try MPIPlugin(LaunchEnvironment(launcher: .mpich, size: 2), folder: folder)
        return nil
    } catch {
        return error
    }
}

@Test func namesTheMissingPluginAndWhatToInstall() throws {
    let error = try #require(try failure { _ in })
    guard case .noPlugin(.mpich, _, _) = error else { return #expect("\(error)" == "") }
    for part in ["MPICH", "libkantaibert-mpi-mpich.so", "libmpich-dev", "make mpi", "No such file"] {
        #expect("\(error)".contains(part), "\(error)")
    }
}

@Test func refusesADamagedPlugin() throws {
    let error = try #require(try failure { try Data("not a library".utf8).write(to: URL(filePath: $0)) })
    guard case .noPlugin = error else { return #expect("\(error)" == "") }
}

@Test func refusesAnotherLibrary() throws {
    let error = try #require(
        try failure {
            let library = [
                "/lib/x86_64-linux-gnu/libz.so.1", "/lib/aarch64-linux-gnu/libz.so.1", "/usr/lib64/libz.so.1",
            ]
            let found = library.first(where: FileManager.default.fileExists) ?? library[0]
            try FileManager.default.createSymbolicLink(atPath: $0, withDestinationPath: found)
        })
    guard case .noPlugin = error else { return #expect("\(error)" == "") }
}
