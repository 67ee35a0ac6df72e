import Jobs
import SettingsTable
import Synchronization

/// The current settings. They change when the service reloads them, so callers read `current` for each use.
public final class ReloadableSettings: Sendable {
    private struct State {
        var settings: Settings
        var awaitingRestart: Set<String> = []
    }

    private let state: Mutex<State>

    public init(_ settings: Settings) {
        state = Mutex(State(settings: settings))
    }

    public var current: Settings { state.withLock(\.settings) }

    /// The keys that were read with other values since the start, which take effect after a restart.
    package var awaitingRestart: Set<String> { state.withLock(\.awaitingRestart) }

    /// Applies new settings, except for those that are read only at startup, which keep their values.
    /// - Returns: the keys whose new values take effect only after a restart
    package func take(_ new: Settings) -> [String] {
        state.withLock { state in
            var live = new
            let waiting = live.keepValuesUntilRestart(of: state.settings) + live.keepModels(of: state.settings)
            state = State(settings: live, awaitingRestart: Set(waiting))
            return waiting
        }
    }
}

extension Settings {
    fileprivate mutating func keepValuesUntilRestart(of old: Settings) -> [String] {
        var waiting: [String] = []
        for setting in Settings.sections.flatMap(\.settings) where setting.change == .onRestart {
            if !setting.isEqual(old, self) { waiting.append(setting.key) }
            setting.copy(from: old, to: &self)
        }
        return waiting
    }

    /// Keeps the list of models and their objectives; training settings change with the model's next run.
    fileprivate mutating func keepModels(of old: Settings) -> [String] {
        var waiting = modelNames == old.modelNames ? [] : [Settings.modelsKey.key]
        models = old.models.map { model in
            guard let new = self.model(named: model.name) else { return model }
            let changed = ModelSettings.settings.filter { $0.change == .onRestart && !$0.isEqual(model, new) }
            waiting += changed.map { "\(model.name).\($0.key)" }
            // The defaults of other keys depend on the objective.
            return changed.isEmpty ? new : model
        }
        return waiting
    }
}
