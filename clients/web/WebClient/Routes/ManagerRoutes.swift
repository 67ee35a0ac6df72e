import HTTPTypes
import Hummingbird
import HummingbirdCore
import Interface
import Varlink

/// `/api/…`: the methods of `io.kantaibert.Manager`, replies as they came. Those that change something need the token.
struct ManagerRoutes {
    let client: ServiceClient
    let token: AccessToken

    func add(to router: some RouterMethods<BasicRequestContext>) {
        let api = router.group("api")
        api.get("status") { _, _ in Response.json(try await client.call(ManagerInterface.GetStatus.self, .init())) }
        api.get("runs") { request, _ in
            let query = request.uri.queryParameters
            let parameters = ManagerInterface.ListRuns.Parameters(
                model: query["model"].map(String.init), limit: try query.integer("limit"),
                after: query["after"].map(String.init))
            return Response.json(try await client.call(ManagerInterface.ListRuns.self, parameters))
        }
        api.get("metrics") { request, _ in
            let query = request.uri.queryParameters
            let parameters = ManagerInterface.GetMetrics.Parameters(
                run: try query.text("run"), afterStep: try query.integer("after_step"),
                limit: try query.integer("limit"))
            return Response.json(try await client.call(ManagerInterface.GetMetrics.self, parameters))
        }
        api.get("generations") { request, _ in
            let query = request.uri.queryParameters
            let parameters = ManagerInterface.ListGenerations.Parameters(
                model: try query.text("model"), limit: try query.integer("limit"),
                after: query["after"].map(String.init))
            return Response.json(try await client.call(ManagerInterface.ListGenerations.self, parameters))
        }
        api.get("corpora") { request, _ in
            let query = request.uri.queryParameters
            let parameters = ManagerInterface.ListCorpora.Parameters(
                state: query["state"].map(String.init), limit: try query.integer("limit"),
                after: query["after"].map(String.init), newestFirst: try query.flag("newest_first"))
            return Response.json(try await client.call(ManagerInterface.ListCorpora.self, parameters))
        }
        addChanging(to: api.group().add(middleware: TokenCheck(token: token)))
    }

    private func addChanging(to api: RouterGroup<BasicRequestContext>) {
        // Whether the token is right, for who has just typed it.
        api.post("token") { _, _ in Response(status: .noContent) }
        api.post("train") { request, _ in
            var request = request
            let parameters = try await request.json(ManagerInterface.Train.Parameters.self)
            return Response.json(try await client.call(ManagerInterface.Train.self, parameters))
        }
        api.post("cancel") { request, _ in
            var request = request
            let parameters = try await request.json(ManagerInterface.CancelRun.Parameters.self)
            return Response.json(try await client.call(ManagerInterface.CancelRun.self, parameters))
        }
        api.post("promote") { request, _ in
            var request = request
            let parameters = try await request.json(ManagerInterface.Promote.Parameters.self)
            return Response.json(try await client.call(ManagerInterface.Promote.self, parameters))
        }
    }
}

extension FlatDictionary<Substring, Substring> {
    /// A parameter of the query that has to be there.
    func text(_ name: Substring) throws -> String {
        guard let value = self[name], !value.isEmpty else {
            throw APIError(.badRequest, "the parameter ‘\(name)’ is missing", param: String(name), code: "missing")
        }
        return String(value)
    }

    /// Nil where it is not there.
    func flag(_ name: Substring) throws -> Bool? {
        guard let value = self[name] else { return nil }
        guard let flag = Bool(String(value)) else {
            throw APIError(
                .badRequest, "‘\(name)’ is neither true nor false", param: String(name), code: "invalid_type")
        }
        return flag
    }

    /// Nil where it is not there.
    func integer(_ name: Substring) throws -> Int? {
        guard let value = self[name] else { return nil }
        guard let number = Int(value) else {
            throw APIError(
                .badRequest, "‘\(name)’ is not a whole number", param: String(name), code: "invalid_type")
        }
        return number
    }
}
