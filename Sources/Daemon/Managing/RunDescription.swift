import Durable
import FoundationEssentials
import Interface
import Jobs
import Database
import Varlink

/// Describes how a run is configured and what it is trained on, for `DescribeRun`.
package struct RunDescription {
    private let directory: StateDirectory
    private let metrics: StateStore

    package init(directory: StateDirectory, metrics: StateStore) {
        self.directory = directory
        self.metrics = metrics
    }

    /// Maximum number of corpora that are named.
    static let mostCorpora = 200
    /// What a run decides before its first step; written by `kantaibert-train`.
    private static let decisionsFile = "decisions.json"
    /// The members of `job.json` and `training_args.json` that are settings; the others are paths, and lists of corpora.
    private static let settingKeys = ["objective", "samples", "filters", "architecture", "recipe"]

    package func reply(_ id: String) throws -> ManagerInterface.DescribeRun.Reply {
        guard let run = try metrics.run(id) else { throw ManagerInterface.RunNotFound(run: id) }
        let corpora = try metrics.describedCorpora(ofRun: run.id, limit: Self.mostCorpora)
        // The message of the event begins with the name of the run.
        let text = try metrics.lastMessage(ofKind: "text_summary", run: run.id).map { message in
            message.hasPrefix("\(run.id): ") ? String(message.dropFirst(run.id.count + 2)) : message
        }
        return .init(
            settings: settings(of: run).map(JSONValue.object), text: text,
            corpora: corpora.first.map { .init(sha256: $0.sha256, name: $0.name, bytes: $0.bytes) },
            corporaCount: corpora.count, corporaBytes: corpora.bytes)
    }

    /// Reads the settings from the run's directory, or else from the model that it published. Nil if neither is there.
    private func settings(of run: RunRecord) -> [String: JSONValue]? {
        let folder = directory.run(run.id)
        if let job = Self.members(directory.job(of: run.id)) {
            var settings = job.filter { Self.settingKeys.contains($0.key) }
            if case .object(let start)? = job["start"] { settings["started_from"] = start["generation"] }
            if let decisions = Self.members("\(folder)/\(Self.decisionsFile)") {
                settings["decisions"] = .object(decisions)
            }
            return settings
        }
        guard let number = run.generation else { return nil }
        let published = directory.generation(number, of: run.model)
        // A number can be used again by a later run, if the earlier one published nothing.
        guard let arguments = Self.members("\(published)/\(TrainingArguments.fileName)"),
            arguments["run"] == .string(run.id)
        else { return nil }
        var settings = arguments.filter { Self.settingKeys.contains($0.key) || $0.key == "started_from" }
        settings["architecture"] = Self.members("\(published)/config.json").map(JSONValue.object)
        return settings
    }

    /// Returns the members of a JSON object in a file of the service; nil if it cannot be read.
    private static func members(_ path: String) -> [String: JSONValue]? {
        guard let json = try? Durable.read(path, atMost: TrainingArguments.largestFile),
            case .object(let members)? = try? JSONDecoder().decode(JSONValue.self, from: Data(json))
        else { return nil }
        return members.filter { $0.value != .null }
    }
}
