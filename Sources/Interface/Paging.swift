import Varlink

/// A method that returns a list in pages.
///
/// Methods whose parameters and reply are `PagedParameters` and `PagedReply` need only declare the conformance.
public protocol PagedMethod: VarlinkMethod where Parameters: Equatable {
    /// Returns the parameters that request the page after `reply`, or nil if it was the last page.
    static func next(after reply: Reply, of parameters: Parameters) -> Parameters?
}

/// Parameters that select a page.
public protocol PagedParameters {
    associatedtype Cursor
    /// The position after which the page starts; nil for the first page.
    var after: Cursor? { get set }
}

/// A reply that is one page of a list.
public protocol PagedReply {
    associatedtype Cursor
    /// The position of the next page; nil on the last page.
    var next: Cursor? { get }
}

extension PagedMethod where Parameters: PagedParameters, Reply: PagedReply, Parameters.Cursor == Reply.Cursor {
    public static func next(after reply: Reply, of parameters: Parameters) -> Parameters? {
        guard let next = reply.next else { return nil }
        var parameters = parameters
        parameters.after = next
        return parameters
    }
}

extension ManagerInterface.ListCorpora: PagedMethod {}
extension ManagerInterface.ListCorpora.Parameters: PagedParameters {}
extension ManagerInterface.ListCorpora.Reply: PagedReply {}

extension ManagerInterface.ListRuns: PagedMethod {}
extension ManagerInterface.ListRuns.Parameters: PagedParameters {}
extension ManagerInterface.ListRuns.Reply: PagedReply {}

extension ManagerInterface.ListGenerations: PagedMethod {}
extension ManagerInterface.ListGenerations.Parameters: PagedParameters {}
extension ManagerInterface.ListGenerations.Reply: PagedReply {}

extension ManagerInterface.ListEvents: PagedMethod {}
extension ManagerInterface.ListEvents.Parameters: PagedParameters {}
extension ManagerInterface.ListEvents.Reply: PagedReply {}

extension ManagerInterface.GetMetrics: PagedMethod {}
extension ManagerInterface.GetMetrics.Reply: PagedReply {}
extension ManagerInterface.GetMetrics.Parameters: PagedParameters {
    public var after: Int? {
        get { afterStep }
        set { afterStep = newValue }
    }
}

extension VarlinkClient {
    /// Calls a method for one page after another.
    /// - Parameter each: receives each page and returns whether to continue with the next one.
    /// - Throws: `VarlinkClientError.malformedReply` if the service does not advance.
    public func pages<M: PagedMethod>(
        _ method: M.Type, _ parameters: M.Parameters, _ each: (M.Reply) throws -> Bool
    ) throws {
        var parameters = parameters
        while true {
            let reply = try call(M.self, parameters)
            guard try each(reply), let next = M.next(after: reply, of: parameters) else { return }
            guard next != parameters else {
                throw VarlinkClientError.malformedReply(reason: "\(M.name): the next page is the same page")
            }
            parameters = next
        }
    }

    /// Returns all rows of a list.
    /// - Parameter rows: returns the rows of a page.
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
