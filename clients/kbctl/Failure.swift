import FoundationEssentials
import Glibc
import Interface
import Varlink

/// An error as a one-line message for the user, with the exit status.
struct Failure: Error {
    let message: String
    /// An exit status from sysexits.h.
    let status: Int32

    init(_ message: String, status: Int32) {
        self.message = message
        self.status = status
    }

    /// The reason that Foundation could not write a file, as the system words it.
    static func reason(ofWriting error: any Error) -> String {
        guard let error = error as? CocoaError else { return "\(error)" }
        if let posix = error.underlying as? POSIXError { return String(cString: strerror(posix.code.rawValue)) }
        return error.code == .fileWriteFileExists ? String(cString: strerror(EEXIST)) : "\(error)"
    }

    /// Returns nil for errors that ArgumentParser reports itself.
    init?(_ error: any Error) {
        switch error {
        case let failure as Failure: self = failure
        case let error as VarlinkClientError: self.init(client: error)
        case let error as VarlinkServiceError: self.init(service: error)
        case let error as UntrustedSocket: self.init(error.description, status: EX_NOPERM)
        case let error as DescriptorPassingError: self.init("\(error)", status: EX_OSERR)
        case let error as VarlinkUnknownError:
            if case .string(let message)? = error.parameters["message"] {
                self.init("the service failed: \(message)", status: EX_SOFTWARE)
            } else {
                self.init("the service replied \(error)", status: EX_SOFTWARE)
            }
        case let error as any VarlinkErrorReply: self.init(reply: error)
        default: return nil
        }
    }

    private init(client error: VarlinkClientError) {
        switch error {
        case .connect(let path, EACCES), .connect(let path, EPERM):
            self.init(
                "permission denied on \(path): join the group kantaibert (sudo usermod -aG kantaibert $USER) and log "
                    + "in again",
                status: EX_NOPERM)
        case .connect(let path, _):
            self.init(
                "no service answers on \(path); start it with ‘systemctl start kantaibertd’, or with "
                    + "‘kantaibertd --state-dir ./var’ and use --socket ./var/io.kantaibert", status: EX_UNAVAILABLE)
        case .pathTooLong: self.init("\(error)", status: EX_USAGE)
        case .closed:
            self.init("the service closed the connection: it is stopping or was restarted", status: EX_UNAVAILABLE)
        case .system: self.init("\(error)", status: EX_OSERR)
        case .malformedReply, .busy: self.init("\(error)", status: EX_PROTOCOL)
        }
    }

    private init(service error: VarlinkServiceError) {
        switch error {
        case .invalidParameter(let parameter):
            let accepted = InterfaceRanges.range(of: parameter).map { "; accepted: \($0)" } ?? ""
            self.init("the service rejected the value of ‘\(parameter)’\(accepted)", status: EX_USAGE)
        case .permissionDenied: self.init("\(error)", status: EX_NOPERM)
        case .methodNotFound, .interfaceNotFound, .methodNotImplemented, .expectedMore:
            self.init("\(error): the service and kbctl have different versions", status: EX_PROTOCOL)
        }
    }

    private init(reply error: any VarlinkErrorReply) {
        if let error = InferenceInterface.ErrorReply(error) {
            self.init(inference: error)
        } else if let error = ManagerInterface.ErrorReply(error) {
            self.init(manager: error)
        } else if error is VarlinkLimitsInterface.RequestTooLarge {
            self.init("\(error)", status: EX_DATAERR)
        } else if error is any VarlinkLimitError {
            self.init("\(error)", status: EX_TEMPFAIL)
        } else {
            self.init("the service replied \(type(of: error).name)", status: EX_SOFTWARE)
        }
    }

    private init(inference error: InferenceInterface.ErrorReply) {
        switch error {
        case .modelNotFound(let error): self.init(noModel: error.model, of: error.available)
        case .noGeneration(let error):
            self.init("the model ‘\(error.model)’ cannot answer yet: \(error.state)", status: EX_TEMPFAIL)
        case .noConversations(let error):
            self.init(
                "\(error.model) was trained on loose text, not on conversations: it continues a text, with ‘kbctl ask’",
                status: EX_DATAERR)
        case .noMask: self.init("the text has no <mask> to fill", status: EX_DATAERR)
        case .corpusNotFound(let error): self.init(noCorpus: error.sha256)
        case .corpusUnreadable(let error):
            self.init("the corpus \(error.sha256.prefix(12)) cannot be read: \(error.reason)", status: EX_IOERR)
        case .promptTooLong(let error):
            self.init("the text has \(error.tokens) tokens; the model takes at most \(error.limit)", status: EX_DATAERR)
        case .overloaded(let error): self.init(retryAfterMs: error.retryAfterMs)
        case .indexNotReady(let error):
            self.init(
                "the corpora are being indexed, \(Format.bytes(error.bytes)) of \(Format.bytes(error.totalBytes)): try again",
                status: EX_TEMPFAIL)
        case .notSearchable(let error):
            self.init("the text of ‘\(error.model)’ cannot be searched: \(error.reason)", status: EX_DATAERR)
        case .traceDisabled:
            self.init(
                "the service does not show the text of its corpora: its setting serving.trace is off", status: EX_CONFIG
            )
        case .invalidQuery(let error): self.init("cannot search for this: \(error.reason)", status: EX_USAGE)
        }
    }

    private init(manager error: ManagerInterface.ErrorReply) {
        switch error {
        case .modelNotFound(let error): self.init(noModel: error.model, of: error.available)
        case .overloaded(let error): self.init(retryAfterMs: error.retryAfterMs)
        case .runNotFound(let error):
            self.init("there is no run ‘\(error.run)’; ‘kbctl runs’ lists them", status: EX_NOINPUT)
        case .corpusNotFound(let error): self.init(noCorpus: error.sha256)
        case .generationNotFound(let error):
            self.init(
                error.generation == 0
                    ? "the model ‘\(error.model)’ has no generation yet"
                    : "the model ‘\(error.model)’ has no generation \(error.generation)", status: EX_NOINPUT)
        case .tensorNotFound(let error):
            self.init(
                "the model ‘\(error.model)’ has no tensor ‘\(error.name)’; ‘kbctl inspect \(error.model)’ lists them",
                status: EX_NOINPUT)
        case .importRefused(let error):
            self.init("the model cannot be imported: \(error.reason)", status: EX_DATAERR)
        case .transferFailed(let error):
            self.init("the transfer of the files failed: \(error.reason)", status: EX_IOERR)
        case .tooManyTransfers(let error):
            self.init(
                "\(error.limit) transfers of files are already in progress; try again when one has finished",
                status: EX_TEMPFAIL)
        case .putRefused(let error): self.init("nothing was added: \(error.reason)", status: EX_DATAERR)
        case .generationInUse(let error):
            self.init(
                "generation \(error.generation) of ‘\(error.model)’ cannot be removed: \(error.reason)",
                status: EX_DATAERR)
        case .nothingToTrain(let error):
            self.init("the model ‘\(error.model)’ was not trained: \(error.reason)", status: EX_DATAERR)
        }
    }

    private init(retryAfterMs: Int) {
        self.init(
            "the service is overloaded; try again in \(Format.duration(Double(retryAfterMs) / 1000))",
            status: EX_TEMPFAIL)
    }

    init(noCorpus sha256: String) {
        self.init("there is no corpus ‘\(sha256)’; ‘kbctl corpora’ lists them", status: EX_NOINPUT)
    }

    private init(noModel name: String, of available: [String]) {
        let known = available.isEmpty ? "none is configured" : "the models are \(available.joined(separator: ", "))"
        self.init("there is no model ‘\(name)’; \(known)", status: EX_NOINPUT)
    }
}
