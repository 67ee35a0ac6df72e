import Jobs
import TextFilters

/// The section of one model.
public struct ModelSettings: Sendable, Equatable {
    public var name: String
    public var objective: Objective
    public var preset: Preset
    public var recipeName: RecipeName
    /// The preset's architecture, with the keys of this model applied.
    public var architecture: Architecture
    /// The named recipe, with the keys of this model applied.
    public var recipe: Recipe
    public var samples: SampleUnit
    /// The unit of training for a job: with the recipe `seed`, `auto` stands for the book chapter's.
    public var samplesOfJob: SampleUnit {
        guard samples == .auto, recipeName == .seed else { return samples }
        return objective == .mlm ? .lines : .paragraphs
    }
    /// The filters of samples and prompts, with their values.
    public var filters: [TextFilter]
    /// Whether runs start from the generation that serves.
    public var start = StartSetting.auto
    /// The setting for a run: with the recipe `seed`, `auto` stands for the book chapter's random weights.
    public var startOfJob: StartSetting { start == .auto && recipeName == .seed ? .fresh : start }
    /// A directory with a tokenizer; nil trains one.
    public var tokenizer: String?
    /// The schedule for all models, with the keys of this model applied.
    public var schedule: ScheduleSettings
    /// The license of exported models, as the Hugging Face Hub names it; nil leaves it out.
    public var license: String?
    /// The codes of the languages of the text; empty if they are not known.
    public var languages: [String] = []
    /// The keys from which `filters` is derived.
    var filterKeys = FilterKeys()

    /// Creates the section of a model whose keys all have their default.
    public init(name: String, objective: Objective, preset: Preset = .auto, schedule: ScheduleSettings = .init()) {
        self.name = name
        self.objective = objective
        self.preset = preset
        recipeName = .default
        architecture = preset.architecture
        recipe = RecipeName.default.recipe(for: objective)
        samples = .auto
        filters = []
        tokenizer = nil
        self.schedule = schedule
    }
}

/// Where a run's parameters come from.
public enum StartSetting: String, Sendable, CaseIterable {
    /// The generation that serves, if most of the text is old and there is no other reason against it.
    case auto
    /// Random weights.
    case fresh
    /// The generation that serves, whenever that is possible.
    case previous
}

// Three keys determine the defaults of other keys. They are first in the table and are applied first, so that an
// explicit key overrides the default that they set.
extension ModelSettings {
    var chosenObjective: Objective {
        get { objective }
        set {
            objective = newValue
            recipe = recipeName.recipe(for: newValue)
        }
    }

    var chosenPreset: Preset {
        get { preset }
        set {
            preset = newValue
            architecture = newValue.architecture
        }
    }

    var chosenRecipe: RecipeName {
        get { recipeName }
        set {
            recipeName = newValue
            recipe = newValue.recipe(for: objective)
        }
    }
}

/// The list `filters` and the accompanying keys with the values of filters, used by models and inbox folders.
struct FilterKeys: Sendable, Equatable {
    /// Nil if the key is not set.
    var names: [String]?
    var values = TextFilterValues()

    /// Returns the filters, or nil if no key is set.
    func filters() throws(TextFilterError) -> [TextFilter]? {
        guard names != nil || values != TextFilterValues() else { return nil }
        return try TextFilter.named(names ?? [], values)
    }
}
