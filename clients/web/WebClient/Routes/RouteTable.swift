import Hummingbird
import Interface
import Varlink

extension Route {
    /// All routes.
    package static let all: [Route] = openAI + monitoring + page + manager

    private static let openAI = [
        Route(
            .post, "/v1/completions", .read,
            .json([
                #"{"model":"assistant","prompt":"a","max_tokens":3,"temperature":0.5,"top_p":0.9,"n":2,"stop":["x"],"seed":7}"#,
                #"{"prompt":["a","b"],"stream":true,"stream_options":{"include_usage":true},"stop":null,"top_k":1}"#,
                #"{"prompt":"a","stop":"x","echo":false,"logit_bias":{},"best_of":1,"min_p":0.1,"repetition_penalty":1.1}"#,
                #"{"prompt":[[0,5],[6]],"echo":true,"max_tokens":0,"logprobs":2,"suffix":"","top_k":-1,"user":"me"}"#,
                #"{"prompt":[5,6],"echo":true,"max_tokens":1,"logprobs":1,"stream":true,"temperature":0}"#,
            ]),
            """
            `prompt` (a text, a list of token ids, or a list of either), `model`, `max_tokens`, `temperature`, `top_p`, \
            `n`, `stop`, `seed`, `echo`, `logprobs`, `stream`, `stream_options.include_usage`; in addition to OpenAI's API \
            `top_k`, `min_p`, `repetition_penalty`. The service's settings (`serving:`) supply omitted values. Fields that \
            would change the result and are not supported, or are unknown, are rejected
            """
        ) { services, request, _ in try await CompletionRoute(client: services.client).complete(request) },
        Route(
            .post, "/v1/chat/completions", .read,
            .json([
                #"{"messages":[{"role":"system","content":"b"},{"role":"user","content":"a"}],"n":2,"max_tokens":3,"seed":7}"#,
                #"{"messages":[{"role":"user","content":[{"type":"text","text":"a"}]}],"stream":true,"tools":[],"top_p":0.9}"#,
                #"{"messages":[{"role":"user","content":"a"}],"logprobs":true,"top_logprobs":2,"max_completion_tokens":4}"#,
            ]),
            """
            `messages`, `model`, `max_tokens` or `max_completion_tokens`, `logprobs`, `top_logprobs`, and the sampling \
            parameters of completions, of a model that was trained on conversations; for another, 400 (`wrong_model`). \
            Messages that are too long for the model are left out from the oldest on, and counted in `omitted_messages` of \
            the choice
            """
        ) { services, request, _ in try await ChatRoute(client: services.client).complete(request) },
        Route(
            .post, "/v1/fill-mask", .read,
            .json([
                #"{"text":"a <mask>","model":"assistant","top_k":3,"targets":["b"]}"#, #"{"text":"<mask>"}"#,
            ]),
            "`text`, `model`, `top_k`, `targets`; any other field is refused (`unknown_field`)"
        ) { services, request, _ in try await FillMaskRoute(client: services.client).fill(request) },
        Route(
            .post, "/v1/score", .read,
            .json([#"{"text":"a b","model":"assistant","tokens":true}"#, #"{"text":"a"}"#]),
            """
            `text`, `model`, `tokens` (whether to list the tokens, each with its log-probability); any other field is refused \
            (`unknown_field`)
            """
        ) { services, request, _ in try await ScoreRoute(client: services.client).score(request) },
        Route(
            .post, "/v1/embeddings", .read,
            .json([
                #"{"input":["a","b"],"model":"assistant","encoding_format":"base64","dimensions":2}"#,
                #"{"input":"a","user":"me"}"#,
            ]),
            """
            `input` (a text or a list of texts), `model`, `encoding_format` (`float` or `base64`), `dimensions` (only that \
            of the model)
            """
        ) { services, request, _ in try await EmbeddingRoute(client: services.client).embed(request) },
        Route(
            .post, "/v1/trace", .reveal,
            .json([#"{"text":"a text","model":"assistant","passages":2,"minimum_words":3}"#, #"{"text":"a text"}"#]),
            """
            `Trace`: the parts of `text` that occur verbatim in the corpora that `model` was trained on, each of at least \
            `minimum_words` words and with at most `passages` of its places. 503 (`index_not_ready`) while they are being indexed
            """
        ) { services, request, _ in try await SearchRoutes(client: services.client).trace(request) },
        Route(
            .post, "/v1/find", .reveal,
            .json([
                #"{"query":"pure reas*","model":"assistant","case_sensitive":true,"ignore_diacritics":true,"limit":3,"after":"9"}"#,
                #"{"query":"pure|practical reason","regex":true}"#,
            ]),
            """
            `Find`: the places of the words of `query`, or with `regex` of regular expressions for words, in the corpora that \
            `model` was trained on; `case_sensitive`, `ignore_diacritics`, `limit`, `after`
            """
        ) { services, request, _ in try await SearchRoutes(client: services.client).find(request) },
        Route(
            .post, "/v1/similar", .reveal,
            .json([#"{"text":"a text","model":"assistant","limit":3}"#]),
            """
            `Similar`: the passages nearest to `text` in the corpora that `model` was trained on, at most `limit` by its embedding \
            and as many by words. 503 (`index_not_ready`) while the embeddings are being computed
            """
        ) { services, request, _ in try await SearchRoutes(client: services.client).similar(request) },
        Route(.get, "/v1/models", .read, .nothing, "models with a serving generation") { services, _, _ in
            try await ModelRoutes(client: services.client).list()
        },
        Route(
            .get, "/v1/models/{model}", .read, .path(["assistant"]), "the model, if it has one"
        ) { services, _, context in
            try await ModelRoutes(client: services.client).model(try Route.value("model", context))
        },
    ]

    private static let monitoring: [Route] = [
        Route(.get, "/openapi.json", .open, .nothing, "these routes as an OpenAPI 3.1 document") { _, _, _ in
            .json(OpenAPIDocument.document(of: all))
        },
        Route(.get, "/health", .open, .nothing, "200, or 503 if the service does not answer") { services, _, _ in
            await HealthRoutes(services).health()
        },
        Route(
            .get, "/metrics", .read, .nothing,
            "OpenMetrics: `kantaibert_up`, held-out results of the models, the current run, events"
        ) { services, _, _ in await HealthRoutes(services).metrics() },
    ]

    private static let page = [
        Route(.get, "/", .open, .nothing, "the page") { _, request, _ in
            try PageRoutes.file("index.html", for: request)
        },
        Route(.get, "/static/{file}", .open, .path(["app.js"]), "a file of the page") { _, request, context in
            try PageRoutes.file(try Route.value("file", context), for: request)
        },
        Route(
            .get, "/api/place", .open, .nothing,
            "`upload_limit`, the maximum size of a file, `token_file`, and whether the server has keys (`requires_key`)"
        ) { services, _, _ in PageRoutes.place(services) },
        Route(
            .get, "/api/events", .read, .nothing, isEndless: true,
            "the service's events, as server-sent events `hello`, `service`, `event` and `steps`"
        ) { services, request, _ in try EventRoute(feed: services.feed).stream(request) },
        Route(
            .post, "/api/session", .open, .nothing,
            "what the token or key of the request may do: `name` and `may_change`; a key is remembered in a cookie"
        ) { services, request, _ in try SessionRoute(access: services.access).open(request) },
        Route(
            .post, "/api/inbox", .change, .file(["name=a.txt", "name=critique%20of%20reason.txt&model=assistant"]),
            "adds the body to the inbox as the file `name`, for `model` only if given"
        ) { services, request, _ in
            try await InboxRoute(client: services.client, inbox: services.inbox).put(request)
        },
    ]

    /// Methods of `io.kantaibert.Manager`, with unmodified replies.
    private static let manager = [
        Route(.get, "/api/status", .read, .nothing, "`GetStatus`") { services, _, _ in
            try await ManagerRoutes(services).ask(ManagerInterface.GetStatus.self, .init())
        },
        Route(
            .get, "/api/runs", .read, .query(["", "model=assistant&limit=3&after=assistant-1"]),
            "`ListRuns`: `model`, `limit`, `after`"
        ) { services, request, _ in try await ManagerRoutes(services).runs(Query(request.uri)) },
        Route(
            .get, "/api/metrics", .read, .query(["run=assistant-1&after_step=4&limit=9"]),
            "`GetMetrics`: `run`, `after_step`, `limit`"
        ) { services, request, _ in try await ManagerRoutes(services).metrics(Query(request.uri)) },
        Route(.get, "/api/run", .read, .query(["run=assistant-1"]), "`DescribeRun`: `run`") { services, request, _ in
            try await ManagerRoutes(services).run(Query(request.uri))
        },
        Route(
            .get, "/api/generations", .read, .query(["model=assistant&limit=3&after=4"]),
            "`ListGenerations`: `model`, `limit`, `after`"
        ) { services, request, _ in try await ManagerRoutes(services).generations(Query(request.uri)) },
        Route(
            .get, "/api/corpora", .read, .query(["state=rejected&limit=200&after=9&newest_first=true", ""]),
            "`ListCorpora`: `state`, `limit`, `after`, `newest_first`"
        ) { services, request, _ in try await ManagerRoutes(services).corpora(Query(request.uri)) },
        Route(
            .get, "/api/corpus", .reveal, .query(["sha256=\(String(repeating: "ab", count: 32))"]),
            "`PreviewCorpus`: `sha256`"
        ) { services, request, _ in try await ManagerRoutes(services).preview(Query(request.uri)) },
        Route(
            .get, "/api/export", .reveal, .query(["model=assistant", "model=assistant&generation=3"]),
            "a generation of `model`, the serving one or `generation`, as a tar archive of a Hugging Face model directory"
        ) { services, request, _ in
            try await ExportRoute(client: services.client, downloads: services.downloads).export(request)
        },
        Route(.get, "/api/plan", .read, .query(["", "model=assistant"]), "`PlanTraining`: `model`") {
            services, request, _ in
            try await ManagerRoutes(services).plan(Query(request.uri))
        },
        Route(.get, "/api/settings", .read, .nothing, "`GetSettings`") { services, _, _ in
            try await ManagerRoutes(services).ask(ManagerInterface.GetSettings.self, .init())
        },
        Route(.post, "/api/train", .change, .json([#"{"model":"assistant","force":true}"#, "{}"]), "`Train`") {
            services, request, _ in
            try await ManagerRoutes(services).forward(ManagerInterface.Train.self, request)
        },
        Route(.post, "/api/cancel", .change, .json([#"{"run":"assistant-1"}"#]), "`CancelRun`") {
            services, request, _ in
            try await ManagerRoutes(services).forward(ManagerInterface.CancelRun.self, request)
        },
        Route(.post, "/api/pause", .change, .json([#"{"model":"assistant"}"#, "{}"]), "`Pause`") {
            services, request, _ in
            try await ManagerRoutes(services).forward(ManagerInterface.Pause.self, request)
        },
        Route(.post, "/api/resume", .change, .json([#"{"model":"assistant"}"#]), "`Resume`") {
            services, request, _ in
            try await ManagerRoutes(services).forward(ManagerInterface.Resume.self, request)
        },
        Route(
            .post, "/api/remove", .change, .json([#"{"sha256":"\#(String(repeating: "ab", count: 32))"}"#]),
            "`RemoveCorpus`"
        ) { services, request, _ in
            try await ManagerRoutes(services).forward(ManagerInterface.RemoveCorpus.self, request)
        },
        Route(
            .post, "/api/delete", .change, .json([#"{"model":"assistant","generation":1}"#]), "`RemoveGeneration`"
        ) { services, request, _ in
            try await ManagerRoutes(services).forward(ManagerInterface.RemoveGeneration.self, request)
        },
        Route(
            .post, "/api/promote", .change, .json([#"{"model":"assistant","generation":2}"#]), "`Promote`"
        ) { services, request, _ in
            try await ManagerRoutes(services).forward(ManagerInterface.Promote.self, request)
        },
    ]
}
