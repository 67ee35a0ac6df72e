import Foundation
import Interface
import NIOCore
import OpenMetrics
import Testing
import Varlink
import WebClient
import WebPage

/// The other routes for programs.
struct HTTPInterfaceTests {
    @Test func fillsMasks() async throws {
        try await WebUnderTest.run { web in
            let answer = try await web.post("/v1/fill-mask", json: #"{"text": "a <mask>", "top_k": 1}"#)
            let masks = try #require(try answer.json()["masks"] as? [[[String: Any]]])
            #expect(masks[0][0]["token_str"] as? String == " <b>")
            #expect(masks[0][0].keys.sorted() == ["score", "sequence", "token", "token_str"])
            let none = try await web.post("/v1/fill-mask", json: #"{"text": "a"}"#)
            #expect(none.status == 400)
            #expect(try none.error().code == "no_mask")
        }
    }

    @Test func scoresTexts() async throws {
        try await WebUnderTest.run { web in
            let whole = try await web.post("/v1/score", json: #"{"text": "<b>"}"#).json()
            #expect(whole["object"] as? String == "score" && whole["log_likelihood"] as? Double == -1.5)
            #expect(whole["bits_per_byte"] as? Double == 0.25 && whole["token_scores"] == nil)
            let listed = try await web.post("/v1/score", json: #"{"text": "<b>", "tokens": true}"#).json()
            let tokens = try #require(listed["token_scores"] as? [[String: Any]])
            #expect(tokens.map { $0["token"] as? String } == ["<b>", "</s>"])
            let long = try await web.post("/v1/score", json: #"{"text": "too long"}"#)
            #expect(long.status == 400)
            #expect(try long.error().code == "context_length_exceeded" && long.error().param == "text")
            #expect(
                try await web.post("/v1/score", json: #"{"text": "a", "txt": "a"}"#).error().code == "unknown_field")
        }
    }

    @Test func listsModelsWithAServingGeneration() async throws {
        try await WebUnderTest.run { web in
            let list = try await web.get("/v1/models").json()
            let models = try #require(list["data"] as? [[String: Any]])
            #expect(models.map { $0["id"] as? String } == ["assistant"])
            // 2026-01-03T00:00:00Z, by `date -u +%s -d`.
            #expect(models[0]["created"] as? Int == 1_767_398_400)
            #expect(try await web.get("/v1/models/assistant").json()["object"] as? String == "model")
            #expect(try await web.get("/v1/models/none").error().code == "model_not_found")
        }
    }

    @Test func listsArePaginated() async throws {
        try await WebUnderTest.run { web in
            let query = "state=rejected&limit=200&after=9&newest_first=true"
            let answer = try await web.get("/api/corpora?\(query)").json()
            let corpora = try #require(answer["corpora"] as? [[String: Any]])
            #expect(
                corpora.first?["name"] as? String
                    == #"{"after":"9","limit":200,"newest_first":true,"state":"rejected"}"#)
            #expect(corpora.first?["format"] as? String == "HTML")
            #expect(corpora.first?["encoding"] as? String == "UTF-16")
            #expect(corpora.first?["warnings"] as? [String] == ["3 bytes were <b>replaced</b>"])
            #expect(answer["next"] as? String == "8")
            #expect((answer["counts"] as? [String: Int])?["rejected"] == 9)
            #expect(try await web.get("/api/corpora?newest_first=perhaps").error().code == "invalid_type")
            let generations = try await web.get("/api/generations?model=assistant&after=second").json()
            #expect((generations["generations"] as? [[String: Any]])?.first?["number"] as? Int == 3)
            #expect(generations["next"] is String == false)
        }
    }

    @Test func plansAreThoseOfTheService() async throws {
        try await WebUnderTest.run { web in
            func plans(_ query: String) async throws -> [[String: Any]] {
                let answer = try await web.get("/api/plan\(query)").json()
                return try #require(answer["plans"] as? [[String: Any]])
            }
            #expect(try await plans("?model=my%20model").map { $0["model"] as? String } == ["my model", "other"])
            let all = try await plans("")
            #expect(all.map { $0["model"] as? String } == ["other"])
            #expect(all[0]["max_seconds"] is Double == false)
            #expect(all[0]["num_train_epochs"] as? Double == 1.5)
            #expect(all[0]["ends_early"] as? Bool == true)
            let none = try await web.get("/api/plan?model=none")
            #expect(none.status == 404)
            #expect(try none.error().code == "model_not_found")
        }
    }

    @Test func metricsAreValidOpenMetrics() async throws {
        try await WebUnderTest.run { web in
            let answer = try await web.get("/metrics")
            #expect(
                answer.headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8")
            #expect(answer.body.hasSuffix("\n# EOF\n"))
            let lines = answer.body.split(separator: "\n")
            for line in [
                "kantaibert_up 1", "kantaibert_model_bits_per_byte{model=\"assistant\"} 1.25",
                "kantaibert_model_state{model=\"new \\\"\\\\\\n\",state=\"training\"} 1",
                "kantaibert_run_loss{model=\"assistant\",run=\"assistant-4\"} 4.5",
                "kantaibert_process_cpu_seconds_total 1.5", "# TYPE kantaibert_process_cpu_seconds counter",
            ] {
                #expect(lines.contains(Substring(line)), "\(line)")
            }
        }
    }

    /// Every query of the dashboard uses a metric and labels that exist; a misspelled one would show an empty panel.
    @Test func dashboardQueriesExistingMetrics() async throws {
        var metrics = OpenMetricsText()
        metrics.add(
            ManagerInterface.GetStatus.Reply(
                version: "1", uptimeSeconds: 1,
                models: [
                    .init(
                        name: "a", objective: .mlm, generation: 1, parameters: 2, bitsPerByte: 1, evaluationLoss: 1,
                        nextTraining: "2026-01-01T00:00:00.000Z", state: .training)
                ],
                run: .init(
                    id: "a-1", model: "a", state: .running, step: 1, totalSteps: 2, epoch: 0.5, loss: 1,
                    evaluationLoss: 1,
                    tokensPerSecond: 1, remainingSeconds: 1),
                queued: [], inboxPending: 0, resources: ["cpu_seconds": 1, "peak_rss_bytes": 1]))
        var labels: [Substring: Set<Substring>] = [:]
        try await WebUnderTest.run { web in
            // The counter of events has no sample before the first.
            let own = try await web.get("/metrics").body + "kantaibert_events_total{kind=\"step\"} 1\n"
            for line in (metrics.text + own).split(separator: "\n") where !line.hasPrefix("#") {
                let name = line.prefix { $0 != "{" && $0 != " " }
                labels[name, default: []].formUnion(line.matches(of: /[{,]([a-z_]+)="/).map(\.1))
            }
        }
        let documentation = try String(contentsOf: Self.repository.appending(path: "docs/metrics.md"), encoding: .utf8)
        for name in labels.keys {
            #expect(
                documentation.contains("`\(name.dropFirst("kantaibert_".count))`"), "docs/metrics.md has no \(name)")
        }
        let folder = Self.repository.appending(path: "etc/grafana")
        for file in try FileManager.default.contentsOfDirectory(atPath: folder.path()) {
            let json = try JSONSerialization.jsonObject(with: Data(contentsOf: folder.appending(path: file)))
            let dashboard = try #require(json as? [String: Any])
            let panels = try #require(dashboard["panels"] as? [[String: Any]])
            var queried: Set<Substring> = []
            for panel in panels {
                for target in try #require(panel["targets"] as? [[String: Any]]) {
                    let (query, legend) = (target["expr"] as? String ?? "", target["legendFormat"] as? String ?? "")
                    let names = query.matches(of: /kantaibert_[a-z_]+/).map(\.output)
                    #expect(!names.isEmpty, "\(query)")
                    for name in names {
                        let known = labels[name]
                        #expect(known != nil, "\(query)")
                        let used =
                            legend.matches(of: /\{\{([a-z_]+)\}\}/).map(\.1)
                            + query.matches(of: /[{,]([a-z_]+)=/).map(\.1)
                            + query.matches(of: /by \(([a-z_]+)\)/).map(\.1)
                        #expect(Set(used).isSubset(of: known ?? []), "\(query), \(legend)")
                        queried.insert(name)
                    }
                }
            }
            let variables = try JSONSerialization.data(withJSONObject: dashboard["templating"] ?? [:])
            for match in String(decoding: variables, as: UTF8.self).matches(of: /kantaibert_[a-z_]+/) {
                #expect(labels[match.output] != nil)
            }
            #expect(queried.count > 15)
        }
    }

    private static let repository = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    /// The program embeds exactly the files of the repository.
    @Test func pageFilesAreEmbedded() async throws {
        let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "clients/web/WebPage/static").path()
        let names = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
        #expect(PageFile.all.map(\.name).sorted() == names)
        try await WebUnderTest.run(service: false) { web in
            for name in names {
                let path = name == "index.html" ? "/" : "/static/\(name)"
                let answer = try await web.get(path)
                #expect(answer.status == 200, "\(path)")
                #expect(try Data(contentsOf: URL(filePath: "\(folder)/\(name)")) == Data(answer.body.utf8), "\(path)")
                let policy = try #require(answer.headers["content-security-policy"])
                #expect(policy.hasPrefix("default-src 'none'; script-src 'self'; "))
                #expect(!policy.contains("unsafe"))
                let again = try await web.get(path, headers: ["If-None-Match": try #require(answer.headers["etag"])])
                #expect(again.status == 304)
                #expect(again.body == "")
            }
            #expect(try await web.get("/static/none.js").error().code == "not_found")
            #expect(try await web.get("/static/../Package.swift").status == 404)
        }
    }

    /// The page loads nothing from other servers and never inserts text as markup.
    @Test func pageLoadsNothingFromOtherServers() throws {
        for file in PageFile.all {
            let text = String(decoding: file.bytes, as: UTF8.self)
            let addresses = text.components(separatedBy: "://").dropLast().map { $0.suffix(5) }
            // SVG's namespace is a URL that is never requested.
            #expect(
                addresses.count == text.components(separatedBy: "http://www.w3.org/2000/svg").count - 1, "\(file.name)")
            for word in [
                "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "style=\"", "onclick=\"",
            ] {
                #expect(!text.contains(word), "\(file.name) has \(word)")
            }
        }
    }
}
