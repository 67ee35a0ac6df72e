import Varlink

/// A method whose reply is one page of a list.
public protocol PagedMethod: VarlinkMethod where Parameters: Equatable {
    /// Returns the parameters of the call for the page after `reply`; nil where that was the last.
    static func next(after reply: Reply, of parameters: Parameters) -> Parameters?
}

extension VarlinkClient {
    /// Calls a method for one page after another.
    /// - Parameter each: gets each page, and returns whether the next is wanted
    public func pages<M: PagedMethod>(
        _ method: M.Type, _ parameters: M.Parameters, _ each: (M.Reply) throws -> Bool
    ) throws {
        var parameters = parameters
        while true {
            let reply = try call(M.self, parameters)
            guard try each(reply), let next = M.next(after: reply, of: parameters) else { return }
            guard next != parameters else {
                throw VarlinkClientError.malformedReply(reason: "\(M.name): the next page is this one")
            }
            parameters = next
        }
    }

    /// All rows of a list, for what cannot be had page by page.
    /// - Parameter rows: of a page
    public func all<M: PagedMethod, Row>(
        _ method: M.Type, _ parameters: M.Parameters, _ rows: (M.Reply) -> [Row]
    ) throws -> [Row] {
        var all: [Row] = []
        try pages(M.self, parameters) { reply in
            all += rows(reply)
            return true
        }
        return all
    }
}

extension ManagerInterface {
    /// In the order they came, or the newest first.
    public enum ListCorpora: PagedMethod {
        public static let name = "io.kantaibert.Manager.ListCorpora"

        public struct Parameters: Codable, Sendable, Equatable {
            public var state: String?
            public var limit: Int?
            public var after: String?
            public var newestFirst: Bool?

            public init(state: String? = nil, limit: Int? = nil, after: String? = nil, newestFirst: Bool? = nil) {
                self.state = state
                self.limit = limit
                self.after = after
                self.newestFirst = newestFirst
            }

            private enum CodingKeys: String, CodingKey {
                case state, limit, after
                case newestFirst = "newest_first"
            }
        }

        public struct Reply: Codable, Sendable, Equatable {
            public var corpora: [Corpus]
            public var next: String?
            /// Of all there are; with the first page.
            public var counts: CorpusCounts?

            public init(corpora: [Corpus], next: String? = nil, counts: CorpusCounts? = nil) {
                self.corpora = corpora
                self.next = next
                self.counts = counts
            }
        }

        public static func next(after reply: Reply, of parameters: Parameters) -> Parameters? {
            guard let next = reply.next else { return nil }
            var parameters = parameters
            parameters.after = next
            return parameters
        }
    }

    /// How many corpora there are in each state.
    public struct CorpusCounts: Codable, Sendable, Equatable {
        public var admitted: Int
        public var duplicate: Int
        public var rejected: Int
        public var removed: Int
        public var setAside: Int

        public init(admitted: Int, duplicate: Int, rejected: Int, removed: Int, setAside: Int) {
            self.admitted = admitted
            self.duplicate = duplicate
            self.rejected = rejected
            self.removed = removed
            self.setAside = setAside
        }

        private enum CodingKeys: String, CodingKey {
            case admitted, duplicate, rejected, removed
            case setAside = "set_aside"
        }
    }

    /// The newest first.
    public enum ListRuns: PagedMethod {
        public static let name = "io.kantaibert.Manager.ListRuns"

        public struct Parameters: Codable, Sendable, Equatable {
            public var model: String?
            public var limit: Int?
            public var after: String?

            public init(model: String? = nil, limit: Int? = nil, after: String? = nil) {
                self.model = model
                self.limit = limit
                self.after = after
            }
        }

        public struct Reply: Codable, Sendable, Equatable {
            public var runs: [Run]
            public var next: String?

            public init(runs: [Run], next: String? = nil) {
                self.runs = runs
                self.next = next
            }
        }

        public static func next(after reply: Reply, of parameters: Parameters) -> Parameters? {
            guard let next = reply.next else { return nil }
            var parameters = parameters
            parameters.after = next
            return parameters
        }
    }

    /// The newest first.
    public enum ListGenerations: PagedMethod {
        public static let name = "io.kantaibert.Manager.ListGenerations"

        public struct Parameters: Codable, Sendable, Equatable {
            public var model: String
            public var limit: Int?
            public var after: String?

            public init(model: String, limit: Int? = nil, after: String? = nil) {
                self.model = model
                self.limit = limit
                self.after = after
            }
        }

        public struct Reply: Codable, Sendable, Equatable {
            public var generations: [Generation]
            public var next: String?

            public init(generations: [Generation], next: String? = nil) {
                self.generations = generations
                self.next = next
            }
        }

        public static func next(after reply: Reply, of parameters: Parameters) -> Parameters? {
            guard let next = reply.next else { return nil }
            var parameters = parameters
            parameters.after = next
            return parameters
        }
    }

    /// What came after `afterStep`; `next` is the `afterStep` of the next page.
    public enum GetMetrics: PagedMethod {
        public static let name = "io.kantaibert.Manager.GetMetrics"

        public struct Parameters: Codable, Sendable, Equatable {
            public var run: String
            public var afterStep: Int?
            public var limit: Int?

            public init(run: String, afterStep: Int? = nil, limit: Int? = nil) {
                self.run = run
                self.afterStep = afterStep
                self.limit = limit
            }

            private enum CodingKeys: String, CodingKey {
                case run
                case afterStep = "after_step"
                case limit
            }
        }

        public struct Reply: Codable, Sendable, Equatable {
            public var steps: [StepMetric]
            public var evaluations: [Evaluation]
            public var next: Int?

            public init(steps: [StepMetric], evaluations: [Evaluation], next: Int? = nil) {
                self.steps = steps
                self.evaluations = evaluations
                self.next = next
            }
        }

        public static func next(after reply: Reply, of parameters: Parameters) -> Parameters? {
            guard let next = reply.next else { return nil }
            var parameters = parameters
            parameters.afterStep = next
            return parameters
        }
    }
}
