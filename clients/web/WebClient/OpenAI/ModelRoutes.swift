import FoundationEssentials
import HTTPTypes
import Hummingbird
import Interface
import Varlink

/// `GET /v1/models` and `GET /v1/models/NAME`: the models that have a serving generation, in OpenAI's format.
struct ModelRoutes {
    /// Requests the generations of each model; a service has only a few models.
    private static let modelLimit = 1000

    let client: ServiceClient

    struct Model: Encodable, Sendable {
        var id: String
        let object = "model"
        /// When the serving generation was published, as Unix time in seconds.
        var created: Int
        let ownedBy = "kantaibert"
        /// Not part of OpenAI's API: `mlm` fills masks, `clm` continues text.
        var objective: String
        var generation: Int

        private enum CodingKeys: String, CodingKey {
            case id, object, created, objective, generation
            case ownedBy = "owned_by"
        }
    }

    private struct List: Encodable {
        let object = "list"
        var data: [Model]
    }

    func list() async throws -> Response { .json(List(data: try await models())) }

    func model(_ id: String) async throws -> Response {
        guard let model = try await models().first(where: { $0.id == id }) else {
            throw APIError(
                .notFound, "there is no model ‘\(id)’ with a serving generation", param: "model",
                code: "model_not_found")
        }
        return .json(model)
    }

    private func models() async throws -> [Model] {
        var models: [Model] = []
        let all = try await client.call(ManagerInterface.ListModels.self, .init()).models
        guard all.count <= Self.modelLimit else {
            throw VarlinkClientError.malformedReply(reason: "\(all.count) models")
        }
        for model in all {
            guard let serving = model.generation else { continue }
            var created: String?
            try await client.pages(ManagerInterface.ListGenerations.self, .init(model: model.name)) { page in
                created = page.generations.first { $0.number == serving }?.created
                return created == nil
            }
            models.append(
                Model(
                    id: model.name, created: created.flatMap(Self.seconds) ?? 0, objective: model.objective.rawValue,
                    generation: serving))
        }
        return models
    }

    /// Converts a timestamp such as `2026-01-01T00:00:00.000Z`.
    private static func seconds(_ time: String) -> Int? {
        let style = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
        return (try? style.parse(time)).flatMap { Int(exactly: $0.timeIntervalSince1970.rounded(.down)) }
    }
}
