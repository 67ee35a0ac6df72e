import Jobs
import Synchronization

/// The settings in force. They change when the service is told to read them again, so who uses one asks at each use.
public final class ReloadableSettings: Sendable {
    private let settings: Mutex<Settings>

    public init(_ settings: Settings) {
        self.settings = Mutex(settings)
    }

    public var current: Settings { settings.withLock { $0 } }

    /// Puts new settings in force, but for those that a service reads once, when it starts: these stay as they are.
    /// - Returns: the keys or sections of those that differ, and wait for a restart
    package func take(_ new: Settings) -> [String] {
        settings.withLock { settings in
            var live = new
            let waiting = RestartRequiredSetting.all.filter { $0.keep(settings, &live) }.map(\.name)
            let waitingModels = live.keepModels(of: settings)
            settings = live
            return waiting + waitingModels
        }
    }
}

/// A setting, or a section of them, that is read once.
private struct RestartRequiredSetting: Sendable {
    var name: String
    /// Puts the old value into the new settings.
    /// - Returns: whether they differed
    var keep: @Sendable (_ old: Settings, _ new: inout Settings) -> Bool

    init<Value: Equatable & SendableMetatype>(_ name: String, _ path: any WritableKeyPath<Settings, Value> & Sendable) {
        self.name = name
        keep = { old, new in
            defer { new[keyPath: path] = old[keyPath: path] }
            return new[keyPath: path] != old[keyPath: path]
        }
    }

    static let all = [
        RestartRequiredSetting("inbox", \.inbox),
        RestartRequiredSetting("training.stop", \.training.stopSeconds),
        RestartRequiredSetting("serving.precision", \.serving.precision),
        RestartRequiredSetting("serving.max_concurrent_requests", \.serving.maxConcurrentRequests),
        RestartRequiredSetting("serving.max_concurrent_requests_per_user", \.serving.maxConcurrentRequestsPerUser),
        RestartRequiredSetting("serving.max_request_memory", \.serving.maxRequestMemory),
        RestartRequiredSetting("socket", \.socket),
    ]
}

extension Settings {
    /// Models come, go and change what they are for at a start only; how one is trained may change for its next run.
    fileprivate mutating func keepModels(of old: Settings) -> [String] {
        var waiting = models.map(\.name) == old.models.map(\.name) ? [] : ["models"]
        models = old.models.map { model in
            guard let new = self.model(named: model.name) else { return model }
            guard new.objective == model.objective else {
                waiting.append("\(model.name).objective")
                return model
            }
            return new
        }
        return waiting
    }
}
