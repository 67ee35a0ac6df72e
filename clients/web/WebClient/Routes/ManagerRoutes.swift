import HTTPTypes
import Hummingbird
import HummingbirdCore
import Interface
import Varlink

/// `/api/…`: the methods of `io.kantaibert.Manager`, with unmodified replies. Methods that make changes require the
/// token.
struct ManagerRoutes {
    /// Timeout of a call. Promoting a generation takes several seconds.
    private static let deadline = Duration.seconds(60)

    let client: ServiceClient
    let token: AccessToken

    private func ask<M: VarlinkMethod>(_ method: M.Type, _ parameters: M.Parameters) async throws -> Response {
        .json(try await client.call(M.self, parameters, within: Self.deadline))
    }

    func add(to router: some RouterMethods<BasicRequestContext>) {
        let api = router.group("api")
        api.get("status") { _, _ in try await ask(ManagerInterface.GetStatus.self, .init()) }
        api.get("runs") { request, _ in
            let query = try Query(request.uri)
            let parameters = ManagerInterface.ListRuns.Parameters(
                model: query["model"], limit: try query.integer("limit"), after: query["after"])
            return try await ask(ManagerInterface.ListRuns.self, parameters)
        }
        api.get("metrics") { request, _ in
            let query = try Query(request.uri)
            let parameters = ManagerInterface.GetMetrics.Parameters(
                run: try query.text("run"), afterStep: try query.integer("after_step"),
                limit: try query.integer("limit"))
            return try await ask(ManagerInterface.GetMetrics.self, parameters)
        }
        api.get("generations") { request, _ in
            let query = try Query(request.uri)
            let parameters = ManagerInterface.ListGenerations.Parameters(
                model: try query.text("model"), limit: try query.integer("limit"), after: query["after"])
            return try await ask(ManagerInterface.ListGenerations.self, parameters)
        }
        api.get("corpora") { request, _ in
            let query = try Query(request.uri)
            let parameters = ManagerInterface.ListCorpora.Parameters(
                state: query["state"], limit: try query.integer("limit"), after: query["after"],
                newestFirst: try query.flag("newest_first"))
            return try await ask(ManagerInterface.ListCorpora.self, parameters)
        }
        addChanging(to: api.group().add(middleware: TokenCheck(token: token)))
    }

    private func addChanging(to api: RouterGroup<BasicRequestContext>) {
        // Lets the page check a token that the user has entered.
        api.post("token") { _, _ in Response(status: .noContent) }
        api.post("train") { request, _ in
            var request = request
            let parameters = try await request.parameters(of: ManagerInterface.Train.self)
            return try await ask(ManagerInterface.Train.self, parameters)
        }
        api.post("cancel") { request, _ in
            var request = request
            let parameters = try await request.parameters(of: ManagerInterface.CancelRun.self)
            return try await ask(ManagerInterface.CancelRun.self, parameters)
        }
        api.post("promote") { request, _ in
            var request = request
            let parameters = try await request.parameters(of: ManagerInterface.Promote.self)
            return try await ask(ManagerInterface.Promote.self, parameters)
        }
    }
}
