import Glibc
import Interface
import Varlink

extension VarlinkClient {
    /// Calls the service, and if it refuses the named model because of its objective, says which command suits the model.
    func naming<Reply>(
        _ model: String?, needed objective: ManagerInterface.Model.Objective, _ call: (VarlinkClient) throws -> Reply
    ) throws -> Reply {
        do {
            return try call(self)
        } catch VarlinkServiceError.invalidParameter("model") {
            let models = try self.call(ManagerInterface.ListModels.self, .init()).models
            if let model, let other = models.first(where: { $0.name == model && $0.objective != objective }) {
                throw Failure(unsuited: other)
            }
            throw Failure("no model with objective: \(objective.rawValue) is configured", status: EX_CONFIG)
        }
    }
}

extension Failure {
    /// - Parameter model: has another objective than the command needs
    init(unsuited model: ManagerInterface.Model) {
        let text =
            switch model.objective {
            case .mlm: "fills masks and cannot continue a text: use ‘kbctl fill -m \(model.name) \"a <mask>\"’"
            case .clm: "continues texts and cannot fill masks: use ‘kbctl ask -m \(model.name) TEXT’ or ‘kbctl chat’"
            }
        self.init("\(model.name) \(text)", status: EX_DATAERR)
    }
}
