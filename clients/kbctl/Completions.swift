import ArgumentParser
import Glibc
import Interface
import Varlink

extension CompletionKind {
    static let models = names { client, _ in
        try client.call(ManagerInterface.ListModels.self, .init()).models.map(\.name)
    }

    static let runs = names { client, _ in
        try client.call(ManagerInterface.ListRuns.self, .init(limit: 200)).runs.map(\.id)
    }

    /// The generations of the model among the words before.
    static let generations = names { client, words in
        let models = try client.call(ManagerInterface.ListModels.self, .init()).models.map(\.name)
        guard let model = words.last(where: models.contains) else { return [] }
        return try client.call(ManagerInterface.ListGenerations.self, .init(model: model, limit: 200)).generations.map {
            "\($0.number)"
        }
    }

    static let corpora = names { client, _ in
        try client.call(ManagerInterface.ListCorpora.self, .init(state: "admitted", limit: 200, newestFirst: true))
            .corpora.map { String($0.sha256.prefix(12)) }
    }

    /// Names that the service knows. There are none if it does not answer within two seconds: a shell waits for them.
    private static func names(
        _ names: @escaping @Sendable (VarlinkClient, _ words: [String]) throws -> [String]
    ) -> CompletionKind {
        .custom { words, _, _ in
            alarm(2)
            let option = words.firstIndex(of: "--socket").flatMap { words.dropFirst($0 + 1).first }
            guard let place = try? ServiceSocket.locate(option: option),
                let client = try? VarlinkClient(path: place.path, errors: ManagerInterface.errors),
                (try? place.check(server: client.serverUser)) != nil
            else { return [] }
            return (try? names(client, words)) ?? []
        }
    }
}
