import HTTPTypes
import Hummingbird
import Interface
import Varlink

/// `POST /api/inbox?name=NAME[&model=MODEL]` with the file as the body.
struct InboxRoute {
    let client: ServiceClient
    let inbox: Inbox

    private struct Answer: Encodable {
        var name: String
        var bytes: Int
    }

    func put(_ request: Request) async throws -> Response {
        let query = try Query(request.uri)
        let name = try query.text("name")
        let folder = query["model"]
        if let folder { try await check(folder) }
        let length = request.headers[.contentLength].flatMap { Int($0) }
        let file = try await inbox.put(name, folder: folder, length: length, request.body)
        return .json(Answer(name: file.name, bytes: file.bytes), status: .created)
    }

    /// Checks that the model exists: subfolders of the inbox are named after models.
    private func check(_ model: String) async throws {
        let models = try await client.call(ManagerInterface.ListModels.self, .init()).models.map(\.name)
        guard models.contains(model) else { throw ManagerInterface.ModelNotFound(model: model, available: models) }
    }
}
