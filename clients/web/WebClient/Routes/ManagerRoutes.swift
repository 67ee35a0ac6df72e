import HTTPTypes
import Hummingbird
import Interface
import Varlink

/// `/api/…`: the methods of `io.kantaibert.Manager`, with unmodified replies.
struct ManagerRoutes {
    /// Timeout of a call. Promoting a generation takes several seconds.
    private static let deadline = Duration.seconds(60)

    private let client: ServiceClient

    init(_ services: RouteServices) { client = services.client }

    func ask<M: VarlinkMethod>(_ method: M.Type, _ parameters: M.Parameters) async throws -> Response {
        .json(try await client.call(M.self, parameters, within: Self.deadline))
    }

    /// Calls a method with the body of the request as its parameters.
    func forward<M: VarlinkMethod>(_ method: M.Type, _ request: Request) async throws -> Response {
        var request = request
        return try await ask(method, try await request.parameters(of: method))
    }

    func runs(_ query: Query) async throws -> Response {
        try await ask(
            ManagerInterface.ListRuns.self,
            .init(model: query["model"], limit: try query.integer("limit"), after: query["after"]))
    }

    func metrics(_ query: Query) async throws -> Response {
        try await ask(
            ManagerInterface.GetMetrics.self,
            .init(
                run: try query.text("run"), afterStep: try query.integer("after_step"),
                limit: try query.integer("limit")))
    }

    func run(_ query: Query) async throws -> Response {
        try await ask(ManagerInterface.DescribeRun.self, .init(run: try query.text("run")))
    }

    func preview(_ query: Query) async throws -> Response {
        try await ask(ManagerInterface.PreviewCorpus.self, .init(sha256: try query.text("sha256")))
    }

    func generations(_ query: Query) async throws -> Response {
        try await ask(
            ManagerInterface.ListGenerations.self,
            .init(model: try query.text("model"), limit: try query.integer("limit"), after: query["after"]))
    }

    func corpora(_ query: Query) async throws -> Response {
        try await ask(
            ManagerInterface.ListCorpora.self,
            .init(
                state: query["state"], limit: try query.integer("limit"), after: query["after"],
                newestFirst: try query.flag("newest_first")))
    }

    func plan(_ query: Query) async throws -> Response {
        try await ask(ManagerInterface.PlanTraining.self, .init(model: query["model"]))
    }
}
