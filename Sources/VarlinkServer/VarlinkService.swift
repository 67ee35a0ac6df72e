import Varlink

/// The interfaces of a Varlink service, their descriptions and the handlers of their methods.
///
/// The value is completed before the server starts. It always includes `org.varlink.service` and the `Limits` interface,
/// which declares the errors of the server's limits.
public struct VarlinkService: Sendable {
    /// Processes one call. `message` is the complete call as received. A thrown error becomes the error reply.
    typealias Handler = @Sendable (_ message: [UInt8], _ context: CallContext, _ sink: ReplySink) async throws -> Void

    struct Method: Sendable {
        let handler: Handler
        /// The call ends only with the connection or the server.
        let endless: Bool
        let access: MethodAccess
    }

    private struct Interface: Sendable {
        let name: String
        let description: String
    }

    private let vendor: String
    private let product: String
    private let version: String
    private let url: String
    let administrators: Administrators
    /// The interfaces that were added.
    private var interfaces: [Interface] = []
    private var methods: [String: Method] = [:]

    /// - Parameter administrators: the users who may call methods registered with `.administrators`.
    public init(
        vendor: String, product: String, version: String, url: String, administrators: Administrators = .ownUser
    ) {
        self.administrators = administrators
        self.vendor = vendor
        self.product = product
        self.version = version
        self.url = url
    }

    /// Adds an interface.
    /// - Parameter description: the definition of the interface. Methods that it declares and that have no handler are
    ///   answered with `MethodNotImplemented`.
    public mutating func add(interface name: String, description: String) {
        precondition(!allInterfaces.contains { $0.name == name }, "the interface \(name) has already been added")
        interfaces.append(Interface(name: name, description: description))
    }

    /// Registers the handler of a method that returns one reply.
    ///
    /// - Parameters:
    ///   - access: the users who may call the method. Others receive `PermissionDenied`.
    ///   - replyBytes: the approximate size of a reply as JSON. Required if it can exceed a few thousand bytes; large replies
    ///     are encoded on a thread of their own.
    ///   - body: processes the call. A `VarlinkErrorReply` or `VarlinkServiceError` that it throws is sent to the client;
    ///     any other error is logged and sent as `INTERFACE.InternalError (message: string)`. Its task is cancelled when the
    ///     client disconnects.
    public mutating func handle<M: VarlinkMethod>(
        _ method: M.Type, access: MethodAccess = .everyone,
        replyBytes: @escaping @Sendable (M.Reply) -> Int = { _ in 0 },
        _ body: @escaping @Sendable (M.Parameters, CallContext) async throws -> M.Reply
    ) {
        register(M.self, endless: false, access, replyBytes) { parameters, context, writer in
            try await writer.finish(try await body(parameters, context))
        }
    }

    /// Registers the handler of a method that returns any number of replies: it calls `send` for each but the last, and
    /// `finish` for the last.
    ///
    /// The handler is also used for calls without `more` (see `context.more`), for which it may only call `finish`.
    public mutating func handleMore<M: VarlinkMethod>(
        _ method: M.Type, access: MethodAccess = .everyone,
        _ body: @escaping @Sendable (M.Parameters, CallContext, ReplyWriter<M.Reply>) async throws -> Void
    ) {
        register(M.self, endless: false, access, { _ in 0 }, body)
    }

    /// Registers the handler of a method whose replies continue until the connection or the server ends. Calls without
    /// `more` receive `ExpectedMore`. A server that stops cancels such calls instead of waiting for them.
    ///
    /// - Parameter body: may call `finish` with a last reply. If it returns without one, the connection is closed.
    public mutating func handleSubscription<M: VarlinkMethod>(
        _ method: M.Type,
        _ body: @escaping @Sendable (M.Parameters, CallContext, ReplyWriter<M.Reply>) async throws -> Void
    ) {
        register(M.self, endless: true, .everyone) { parameters, context, writer in
            guard context.more else { throw VarlinkServiceError.expectedMore }
            try await body(parameters, context, writer)
        }
    }

    private mutating func register<M: VarlinkMethod>(
        _ method: M.Type, endless: Bool, _ access: MethodAccess,
        _ replyBytes: @escaping @Sendable (M.Reply) -> Int = { _ in 0 },
        _ body: @escaping @Sendable (M.Parameters, CallContext, ReplyWriter<M.Reply>) async throws -> Void
    ) {
        precondition(
            interfaces.contains { $0.name == Self.interface(of: M.name) }, "add the interface of \(M.name) first")
        precondition(methods[M.name] == nil, "\(M.name) already has a handler")
        methods[M.name] = Method(handler: Self.handler(M.self, replyBytes, body), endless: endless, access: access)
    }
}

extension VarlinkService {
    /// Returns the full name of an error of the server's limits, whose interface is `Limits` in the domain of the first
    /// interface.
    func fullName<E: VarlinkLimitError>(of error: E.Type) -> String { inDomain(E.name) }

    private func inDomain(_ name: String) -> String {
        guard let first = interfaces.first else { return name }
        return "\(Self.interface(of: first.name)).\(name)"
    }

    private var allInterfaces: [Interface] {
        let limitsInterface = inDomain("Limits")
        return [
            Interface(name: VarlinkServiceInterface.name, description: VarlinkServiceInterface.description),
            Interface(name: limitsInterface, description: VarlinkLimitsInterface.description(name: limitsInterface)),
        ] + interfaces
    }

    /// The users who may call a method, or nil if it has no handler.
    package func access(to method: String) -> MethodAccess? { methods[method]?.access }

    /// Returns the handler of `name`, which may be a method of `org.varlink.service`.
    func method(_ name: String) throws(VarlinkServiceError) -> Method {
        if let method = methods[name] ?? builtIn(name) { return method }
        let interfaceName = Self.interface(of: name)
        guard let interface = allInterfaces.first(where: { $0.name == interfaceName }) else {
            throw .interfaceNotFound(interface: interfaceName)
        }
        let short = name.dropFirst(interfaceName.count + 1)
        let declared = interface.description.split(separator: "\n").contains { line in
            guard line.hasPrefix("method ") else { return false }
            return line.dropFirst(7).prefix { $0 != "(" && $0 != " " } == short
        }
        if declared { throw .methodNotImplemented(method: name) }
        throw .methodNotFound(method: name)
    }

    private func builtIn(_ name: String) -> Method? {
        switch name {
        case VarlinkServiceInterface.GetInfo.name:
            let reply = VarlinkServiceInterface.GetInfo.Reply(
                vendor: vendor, product: product, version: version, url: url,
                interfaces: allInterfaces.map(\.name))
            return Method(
                handler: Self.handler(VarlinkServiceInterface.GetInfo.self) { _, _, writer in
                    try await writer.finish(reply)
                }, endless: false, access: .everyone)
        case VarlinkServiceInterface.GetInterfaceDescription.name:
            return Method(
                handler: Self.handler(VarlinkServiceInterface.GetInterfaceDescription.self) {
                    [allInterfaces] parameters, _, writer in
                    guard let found = allInterfaces.first(where: { $0.name == parameters.interface }) else {
                        throw VarlinkServiceError.interfaceNotFound(interface: parameters.interface)
                    }
                    try await writer.finish(.init(description: found.description))
                }, endless: false, access: .everyone)
        default: return nil
        }
    }

    private static func handler<M: VarlinkMethod>(
        _ method: M.Type, _ replyBytes: @escaping @Sendable (M.Reply) -> Int = { _ in 0 },
        _ body: @escaping @Sendable (M.Parameters, CallContext, ReplyWriter<M.Reply>) async throws -> Void
    ) -> Handler {
        { message, context, sink in
            let user = context.peer.uid
            let parameters = try await CodingLane.shared.run(for: user, bytes: message.count) {
                try VarlinkCoding.decodeCallParameters(M.self, of: message)
            }
            try await body(parameters, context, ReplyWriter(sink: sink, user: user, replyBytes: replyBytes))
        }
    }

    /// Returns the full name without its last component, or an empty string if there is no dot: `org.example.Calculator` for
    /// `org.example.Calculator.Add`.
    static func interface(of method: String) -> String {
        guard let dot = method.lastIndex(of: ".") else { return "" }
        return String(method[..<dot])
    }
}
