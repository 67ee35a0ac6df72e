import Formatting

/// Finds folders of the inbox whose names are probably misspelled names of models. A pure value type that returns each
/// folder once; the number of folders it remembers is limited.
package struct FolderNames {
    private static let most = 1000
    private let models: [String]
    private var seen: Set<String> = []
    /// The last folder whose name does not resemble any model's: consecutive files are often in the same one.
    private var lastUnrelated: String?

    package init(models: [String]) { self.models = models }

    /// Returns the model that a folder is probably meant for, or nil if the folder has a model's name, is not similar
    /// to one, or was returned before.
    package mutating func modelMeant(by folder: String) -> String? {
        guard folder != lastUnrelated, !models.contains(folder), !seen.contains(folder), seen.count < Self.most else {
            return nil
        }
        guard let model = Spelling.nearest(to: folder.lowercased(), in: models) else {
            lastUnrelated = folder
            return nil
        }
        seen.insert(folder)
        return model
    }
}
