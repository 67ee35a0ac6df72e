import Glibc
import LimitedLogging
import Logging
import Logging
import NIOCore
import NIOSSL
import Synchronization

/// A certificate chain and its private key, in PEM files that are read again when they change.
public final class TLSCertificate: Sendable {
    private struct State {
        var context: NIOSSLContext
        var versions: [FileVersion?]
        var checked: ContinuousClock.Instant
    }

    private let certificates: String
    private let key: String
    private let state: Mutex<State>

    /// - Parameters:
    ///   - certificates: the server's certificate, followed by those of its issuers
    ///   - key: its private key
    public init(certificates: String, key: String) throws(TLSCertificateError) {
        self.certificates = certificates
        self.key = key
        let versions = [certificates, key].map { FileVersion(path: $0) }
        state = Mutex(
            State(context: try Self.context(certificates, key), versions: versions, checked: .now))
    }

    /// Returns the first handler of a new connection.
    ///
    /// Looks at most once in `interval` whether the files have changed. Files that cannot be used are reported, and the
    /// previous certificate stays in use.
    func handler(checkingEvery interval: Duration = .seconds(1), log: LimitLog) -> NIOSSLServerHandler {
        reload(every: interval, log: log)
        return NIOSSLServerHandler(context: state.withLock { $0.context })
    }

    private func reload(every interval: Duration, log: LimitLog) {
        let known = state.withLock { state -> [FileVersion?]? in
            guard ContinuousClock.now - state.checked >= interval else { return nil }
            state.checked = .now
            return state.versions
        }
        let versions = [certificates, key].map { FileVersion(path: $0) }
        guard let known, versions != known else { return }
        do throws(TLSCertificateError) {
            let context = try Self.context(certificates, key)
            state.withLock {
                $0.context = context
                $0.versions = versions
            }
            log.write(.notice, "certificate read", "read the certificate again from \(certificates)")
        } catch {
            log.write(.error, "certificate not read", "\(error); the previous certificate stays in use")
        }
    }

    private static func context(_ certificates: String, _ key: String) throws(TLSCertificateError) -> NIOSSLContext {
        var status = stat()
        for path in [certificates, key] {
            guard stat(path, &status) == 0, access(path, R_OK) == 0 else {
                throw TLSCertificateError(path: path, reason: String(cString: strerror(errno)))
            }
            guard status.st_mode & S_IFMT == S_IFREG, status.st_size <= 1 << 20 else {
                throw TLSCertificateError(path: path, reason: "not a regular file of at most 1 MiB")
            }
        }
        guard status.st_mode & 0o007 == 0 else {
            throw TLSCertificateError(path: key, reason: "any user can use the private key: chmod o= \(key)")
        }
        let chain: [NIOSSLCertificate]
        do { chain = try NIOSSLCertificate.fromPEMFile(certificates) } catch {
            throw TLSCertificateError(path: certificates, reason: "no certificates in PEM format")
        }
        let privateKey: NIOSSLPrivateKey
        do { privateKey = try NIOSSLPrivateKey(file: key, format: .pem) } catch {
            throw TLSCertificateError(path: key, reason: "no private key in PEM format without a passphrase")
        }
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(privateKey))
        configuration.minimumTLSVersion = .tlsv12
        configuration.applicationProtocols = ["http/1.1"]
        do { return try NIOSSLContext(configuration: configuration) } catch {
            throw TLSCertificateError(path: key, reason: "not the key of the certificate in \(certificates)")
        }
    }
}

/// A file of a certificate that cannot be used.
public struct TLSCertificateError: Error, Equatable, CustomStringConvertible {
    public let path: String
    public let reason: String

    public var description: String { "\(path): \(reason)" }
}
