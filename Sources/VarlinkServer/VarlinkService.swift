import Varlink

/// What a Varlink server offers: interfaces, their descriptions and what answers their methods.
///
/// A value, complete before the server starts. `org.varlink.service` is always there, and the errors of the server's
/// limits.
public struct VarlinkService: Sendable {
    /// Answers one call; the message is the whole call as it came. Throws what becomes the error reply.
    typealias Handler = @Sendable (_ message: [UInt8], _ context: CallContext, _ sink: ReplySink) async throws -> Void

    struct Method: Sendable {
        let handler: Handler
        /// The call ends with the connection or the server, not by itself.
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
    private var interfaces: [Interface] = []
    private var methods: [String: Method] = [:]

    /// - Parameter administrators: who may call the methods that are registered for them
    public init(
        vendor: String, product: String, version: String, url: String, administrators: Administrators = .ownUser
    ) {
        self.administrators = administrators
        self.vendor = vendor
        self.product = product
        self.version = version
        self.url = url
        add(interface: VarlinkServiceInterface.name, description: VarlinkServiceInterface.description)
        add(interface: VarlinkLimitsInterface.name, description: VarlinkLimitsInterface.description)
    }

    /// - Parameter description: the text of the interface. A method that it declares and nothing handles is answered
    ///   with `MethodNotImplemented`.
    public mutating func add(interface name: String, description: String) {
        precondition(!interfaces.contains { $0.name == name }, "the interface \(name) is there already")
        interfaces.append(Interface(name: name, description: description))
    }

    /// Answers a method with one reply.
    ///
    /// - Parameter access: who may call it; whoever else does gets `PermissionDenied`.
    /// - Parameter replyBytes: about how many bytes a reply takes as JSON, where that can be more than a few thousand: long
    ///   ones are written where they hold up nobody.
    /// - Parameter body: throws a `VarlinkErrorReply` or a `VarlinkServiceError` for the client to see; anything else
    ///   is logged and becomes the error `INTERFACE.InternalError (message: string)`. Its task is cancelled when the
    ///   client hangs up.
    public mutating func handle<M: VarlinkMethod>(
        _ method: M.Type, access: MethodAccess = .everyone,
        replyBytes: @escaping @Sendable (M.Reply) -> Int = { _ in 0 },
        _ body: @escaping @Sendable (M.Parameters, CallContext) async throws -> M.Reply
    ) {
        register(M.self, endless: false, access, replyBytes) { parameters, context, writer in
            try await writer.finish(try await body(parameters, context))
        }
    }

    /// Answers a method with any number of replies: `send` each but the last, `finish` with the last.
    ///
    /// The body is used whether or not the caller asked for `more`; where it did not (`context.more`), only `finish`
    /// may be used.
    public mutating func handleMore<M: VarlinkMethod>(
        _ method: M.Type, access: MethodAccess = .everyone,
        _ body: @escaping @Sendable (M.Parameters, CallContext, ReplyWriter<M.Reply>) async throws -> Void
    ) {
        register(M.self, endless: false, access, { _ in 0 }, body)
    }

    /// Answers a method whose replies end with the connection or the server. A call without `more` gets
    /// `ExpectedMore`; a server that stops does not wait for such calls, it cancels them.
    ///
    /// - Parameter body: may `finish` with a last reply; where it returns without, the connection is closed.
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
        precondition(methods[M.name] == nil, "\(M.name) is handled already")
        methods[M.name] = Method(handler: Self.handler(M.self, replyBytes, body), endless: endless, access: access)
    }
}

extension VarlinkService {
    /// Who may call the method; nil where nothing handles it.
    package func access(to method: String) -> MethodAccess? { methods[method]?.access }

    /// What answers `name`, the methods of `org.varlink.service` among them.
    func method(_ name: String) throws(VarlinkServiceError) -> Method {
        if let method = methods[name] ?? builtIn(name) { return method }
        let interfaceName = Self.interface(of: name)
        guard let interface = interfaces.first(where: { $0.name == interfaceName }) else {
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
                vendor: vendor, product: product, version: version, url: url, interfaces: interfaces.map(\.name))
            return Method(
                handler: Self.handler(VarlinkServiceInterface.GetInfo.self) { _, _, writer in
                    try await writer.finish(reply)
                }, endless: false, access: .everyone)
        case VarlinkServiceInterface.GetInterfaceDescription.name:
            return Method(
                handler: Self.handler(VarlinkServiceInterface.GetInterfaceDescription.self) {
                    [interfaces] parameters, _, writer in
                    guard let found = interfaces.first(where: { $0.name == parameters.interface }) else {
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
                try decode(M.self, message)
            }
            try await body(parameters, context, ReplyWriter(sink: sink, user: user, replyBytes: replyBytes))
        }
    }

    private static func decode<M: VarlinkMethod>(_ method: M.Type, _ message: [UInt8]) throws -> M.Parameters {
        let parameters: M.Parameters
        do {
            parameters = try VarlinkCoding.decodeParameters(M.Parameters.self, of: message)
        } catch {
            let parameter = VarlinkCoding.invalidParameter(error, decoding: M.Parameters.self, of: message)
            throw VarlinkServiceError.invalidParameter(parameter: parameter)
        }
        if let unknown = try VarlinkCoding.unknownParameter(parameters, of: message) {
            throw VarlinkServiceError.invalidParameter(parameter: unknown)
        }
        return parameters
    }

    /// `io.kantaibert.Inference` of `io.kantaibert.Inference.FillMask`; empty where there is no dot.
    static func interface(of method: String) -> String {
        guard let dot = method.lastIndex(of: ".") else { return "" }
        return String(method[..<dot])
    }
}
