import FoundationEssentials
import Interface
import Varlink

/// A table of the models, followed by a note on each model that needs one.
struct ModelList {
    private let models: [ManagerInterface.Model]
    private let generations: [String: [ManagerInterface.Generation]]

    /// - Parameter generations: the generations of each model that has one
    init(_ models: [ManagerInterface.Model], _ generations: [String: [ManagerInterface.Generation]]) {
        self.models = models
        self.generations = generations
    }

    func print() {
        var table = Table(
            [
                ("MODEL", .left), ("KIND", .left), ("STATE", .left), ("GENERATION", .right), ("AGE", .left),
                ("BITS/BYTE", .right), ("HELD OUT", .right), ("PARAMETERS", .right), ("NEXT TRAINING", .left),
            ], spare: [7, 6, 8, 1, 4, 5])
        for model in models {
            table.add([
                model.name, model.objective.rawValue, model.stateText, Format.count(model.generation),
                age(of: model) ?? "–", Format.number(model.bitsPerByte, 3), Format.number(model.evaluationLoss, 4),
                Format.count(model.parameters), Format.relative(model.nextTraining),
            ])
        }
        table.print()
        let notes = models.flatMap(notes)
        if !notes.isEmpty { Terminal.line("") }
        for note in notes { Terminal.paragraph(note) }
    }

    private func age(of model: ManagerInterface.Model) -> String? {
        generations[model.name]?.first { $0.number == model.generation }.flatMap { Format.date($0.created) }
            .map { Format.duration(-$0.timeIntervalSinceNow) }
    }

    private func notes(_ model: ManagerInterface.Model) -> [String] {
        var notes = model.reason.map { ["\(model.name): \($0)"] } ?? []
        if let newest = generations[model.name]?.max(by: { $0.number < $1.number }), newest.state == .rejected {
            notes.append(
                "\(model.name): generation \(newest.number) was rejected; ‘kbctl generations \(model.name)’ shows why")
        }
        return notes
    }
}

extension ManagerInterface.Model {
    /// The state of training. A pause counts more than what waits for its end.
    var stateText: String {
        guard paused == true else { return state.rawValue }
        return state == .training ? "pausing" : "paused"
    }
}

extension VarlinkClient {
    /// Returns the generations of each model that has one.
    func generations(of models: [ManagerInterface.Model]) throws -> [String: [ManagerInterface.Generation]] {
        var generations: [String: [ManagerInterface.Generation]] = [:]
        for model in models where model.generation != nil {
            generations[model.name] = try all(
                ManagerInterface.ListGenerations.self, .init(model: model.name), \.generations)
        }
        return generations
    }
}
