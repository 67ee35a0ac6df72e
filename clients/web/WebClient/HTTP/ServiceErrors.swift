import Glibc
import HTTPTypes
import Interface
import Varlink

extension APIError {
    /// Converts errors of the service and of the connection to it. Any other error is internal.
    init(service error: any Error) {
        switch error {
        case let error as VarlinkClientError: self.init(client: error)
        case let error as UntrustedSocket:
            self.init(.serviceUnavailable, .unavailable, "\(error)", code: "service_unavailable")
        case let error as VarlinkServiceError: self.init(varlink: error)
        case let error as DescriptorPassingError:
            self.init(
                .serviceUnavailable, .unavailable, "the files were not passed: \(error)", code: "transfer_failed",
                retryAfterMs: 1000)
        case let error as any VarlinkErrorReply: self.init(reply: error)
        case let error as TooManyCalls:
            self.init(
                .serviceUnavailable, .unavailable, "\(error.limit) requests are already in progress; try again later",
                code: "overloaded", retryAfterMs: 1000)
        case let error as VarlinkUnknownError:
            if case .string(let message)? = error.parameters["message"] {
                self.init(.internalServerError, .server, "the service failed: \(message)", code: "internal_error")
            } else {
                self.init(.internalServerError, .server, "the service replied \(error)", code: "internal_error")
            }
        default: self.init(.internalServerError, .server, "\(error)", code: "internal_error")
        }
    }

    private init(client error: VarlinkClientError) {
        let message =
            switch error {
            case .connect(let path, EACCES), .connect(let path, EPERM):
                "permission denied on \(path): the user of kantaibert-web must be in the group kantaibert"
            case .connect(let path, _): "no service answers on \(path)"
            case .closed: "the service closed the connection: it is stopping or was restarted"
            default: "\(error)"
            }
        self.init(
            .serviceUnavailable, .unavailable, message, code: "service_unavailable", retryAfterMs: 1000)
    }

    private init(varlink error: VarlinkServiceError) {
        switch error {
        case .invalidParameter("model"):
            self.init(
                .badRequest, "this model does not support this kind of request", param: "model", code: "wrong_model")
        case .invalidParameter(let parameter):
            let name = parameter.hasPrefix("sampling.") ? String(parameter.dropFirst(9)) : parameter
            let field = name == "max_new_tokens" ? "max_tokens" : name
            self.init(
                .badRequest, "the service rejected the value of ‘\(field)’", param: field, code: "invalid_value")
        case .permissionDenied(let needs):
            let who = needs.isEmpty ? "" : ": only \(needs) may"
            self.init(
                .forbidden, .permission, "the service does not permit this to the user of kantaibert-web\(who)",
                code: "not_permitted")
        case .methodNotFound, .interfaceNotFound, .methodNotImplemented, .expectedMore:
            self.init(
                .internalServerError, .server, "\(error): the service and kantaibert-web have different versions",
                code: "other_version")
        }
    }

    private init(reply error: any VarlinkErrorReply) {
        if let error = InferenceInterface.ErrorReply(error) {
            self.init(inference: error)
        } else if let error = ManagerInterface.ErrorReply(error) {
            self.init(manager: error)
        } else if error is VarlinkLimitsInterface.RequestTooLarge {
            self.init(.contentTooLarge, "\(error)", code: "body_too_large")
        } else if error is VarlinkLimitsInterface.TimedOut {
            self.init(.gatewayTimeout, .unavailable, "\(error)", code: "timeout")
        } else if error is any VarlinkLimitError {
            self.init(.serviceUnavailable, .unavailable, "\(error)", code: "overloaded", retryAfterMs: 1000)
        } else {
            self.init(.internalServerError, .server, "the service replied \(error)", code: "internal_error")
        }
    }

    private init(inference error: InferenceInterface.ErrorReply) {
        switch error {
        case .modelNotFound(let error): self.init(noModel: error.model, of: error.available)
        case .noGeneration(let error):
            self.init(
                .serviceUnavailable, .unavailable, "the model ‘\(error.model)’ cannot answer yet: \(error.state)",
                param: "model", code: "model_not_ready", retryAfterMs: 5000)
        case .noConversations(let error):
            self.init(
                .badRequest,
                "the model ‘\(error.model)’ was trained on loose text, not on conversations: it continues a text at /v1/completions",
                param: "model", code: "wrong_model")
        case .noMask: self.init(.badRequest, "the text has no <mask> to fill", param: "text", code: "no_mask")
        case .promptTooLong(let error):
            self.init(
                .badRequest, "the text has \(error.tokens) tokens; the model takes at most \(error.limit)",
                param: "prompt", code: "context_length_exceeded")
        case .overloaded(let error): self.init(busyFor: error.retryAfterMs)
        case .indexNotReady(let error):
            self.init(
                .serviceUnavailable, .unavailable,
                "the corpora are being indexed, \(error.bytes) of \(error.totalBytes) bytes; try again",
                code: "index_not_ready", retryAfterMs: error.retryAfterMs)
        case .notSearchable(let error):
            self.init(
                .conflict, "the text of ‘\(error.model)’ cannot be searched: \(error.reason)", param: "model",
                code: "not_searchable")
        case .traceDisabled:
            self.init(
                .forbidden, .permission,
                "the service does not show the text of its corpora: its setting serving.trace is off",
                code: "trace_disabled")
        case .invalidQuery(let error):
            self.init(.badRequest, "cannot search for this: \(error.reason)", param: "query", code: "invalid_value")
        // Errors of methods that no route calls.
        case .corpusNotFound, .corpusUnreadable:
            self.init(.internalServerError, .server, "the service replied \(error)", code: "internal_error")
        }
    }

    private init(manager error: ManagerInterface.ErrorReply) {
        switch error {
        case .modelNotFound(let error): self.init(noModel: error.model, of: error.available)
        case .overloaded(let error): self.init(busyFor: error.retryAfterMs)
        case .runNotFound(let error):
            self.init(.notFound, "there is no run ‘\(error.run)’", param: "run", code: "run_not_found")
        case .generationNotFound(let error):
            self.init(
                .notFound, "the model ‘\(error.model)’ has no generation \(error.generation)", param: "generation",
                code: "generation_not_found")
        case .nothingToTrain(let error):
            self.init(
                .conflict, "the model ‘\(error.model)’ was not trained: \(error.reason)", param: "model",
                code: "nothing_to_train")
        case .corpusNotFound:
            self.init(.notFound, "there is no such text in the store", param: "sha256", code: "corpus_not_found")
        case .transferFailed(let error):
            self.init(
                .serviceUnavailable, .unavailable, "the files were not passed: \(error.reason)",
                code: "transfer_failed",
                retryAfterMs: 1000)
        case .tooManyTransfers(let error):
            self.init(
                .serviceUnavailable, .unavailable,
                "\(error.limit) imports or exports are already in progress; try again later", code: "overloaded",
                retryAfterMs: 5000)
        case .generationInUse(let error):
            self.init(
                .conflict, "generation \(error.generation) of ‘\(error.model)’ is in use: \(error.reason)",
                param: "generation", code: "generation_in_use")
        // Errors of methods that no route calls.
        case .tensorNotFound, .importRefused, .putRefused:
            self.init(.internalServerError, .server, "the service replied \(error)", code: "internal_error")
        }
    }

    private init(busyFor retryAfterMs: Int) {
        self.init(
            .tooManyRequests, .rateLimit, "the service is overloaded; try again later", code: "overloaded",
            retryAfterMs: retryAfterMs)
    }

    private init(noModel name: String, of available: [String]) {
        let known = available.isEmpty ? "none is configured" : "the models are \(available.joined(separator: ", "))"
        self.init(
            .notFound, "there is no model ‘\(name)’; \(known)", param: "model", code: "model_not_found")
    }
}
