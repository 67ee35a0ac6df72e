import PackagePlugin

/// Translates the interface definitions (`*.varlink`) of a target to Swift before the target is compiled.
@main struct VarlinkGeneratorPlugin: BuildToolPlugin {
    func createBuildCommands(context: PluginContext, target: any Target) async throws -> [Command] {
        guard let module = target as? any SourceModuleTarget else { return [] }
        let generator = try context.tool(named: "varlink-swift-generator").url
        return module.sourceFiles(withSuffix: ".varlink").map { definition in
            let name = definition.url.deletingPathExtension().lastPathComponent
            let source = context.pluginWorkDirectoryURL.appending(path: "\(name).swift")
            return .buildCommand(
                displayName: "Generating \(name).swift", executable: generator,
                arguments: [definition.url.path(percentEncoded: false), source.path(percentEncoded: false)],
                inputFiles: [definition.url], outputFiles: [source])
        }
    }
}
