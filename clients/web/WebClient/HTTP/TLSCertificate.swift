import Glibc
import LimitedLogging
import NIOCore
import NIOSSL

/// A certificate chain and its private key, in PEM files that are read again when they change.
public final class TLSCertificate: Sendable {
    private let path: String
    private let context: ReloadedFiles<NIOSSLContext>

    /// - Parameters:
    ///   - certificates: the server's certificate, followed by those of its issuers
    ///   - key: its private key
    public init(certificates: String, key: String) throws(TLSCertificateError) {
        path = certificates
        context = try ReloadedFiles([certificates, key]) { () throws(TLSCertificateError) in
            try Self.context(certificates, key)
        }
    }

    /// Returns the first handler of a new connection.
    ///
    /// Looks at most once in `interval` whether the files have changed. Files that cannot be used are reported, and the
    /// previous certificate stays in use.
    func handler(checkingEvery interval: Duration = .seconds(1), log: LimitLog) -> NIOSSLServerHandler {
        context.reload(
            every: interval, log: log, name: "certificate",
            news: { [path] _ in "read the certificate again from \(path)" },
            remains: "the previous certificate stays in use")
        return NIOSSLServerHandler(context: context.value)
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
