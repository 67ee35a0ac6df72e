import Foundation
import Glibc
import NIOCore
import NIOPosix
import NIOSSL
import Testing
import WebClient

@Suite("TLS")
struct TLSTests {
    /// A certificate and a key in a folder of their own.
    private final class Files {
        let folder = "/tmp/kantaibert-tls-\(getpid())-\(UInt64.random(in: 0 ..< .max))"
        var certificate: String { "\(folder)/cert.pem" }
        var key: String { "\(folder)/key.pem" }

        init(_ certificate: String = TestCertificate.certificate, _ key: String = TestCertificate.key) throws {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            try write(certificate, key)
        }

        func write(_ certificate: String, _ key: String) throws {
            try certificate.write(toFile: self.certificate, atomically: true, encoding: .utf8)
            try key.write(toFile: self.key, atomically: true, encoding: .utf8)
            chmod(self.key, 0o600)
        }

        deinit { try? FileManager.default.removeItem(atPath: folder) }
    }

    /// Sends a request by TLS and returns the answer, if the server has the expected certificate.
    private static func get(_ port: Int, trusting certificate: String) async throws -> HTTPAnswer {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.trustRoots = .certificates(try NIOSSLCertificate.fromPEMBytes(Array(certificate.utf8)))
        let context = try NIOSSLContext(configuration: configuration)
        let channel =
            try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(host: "127.0.0.1", port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        NIOSSLClientHandler(context: context, serverHostname: "localhost"))
                    return try NIOAsyncChannel(wrappingChannelSynchronously: channel)
                }
            } as NIOAsyncChannel<ByteBuffer, ByteBuffer>
        return try await channel.executeThenClose { inbound, outbound in
            try await outbound.write(
                ByteBuffer(string: "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"))
            var bytes: [UInt8] = []
            for try await piece in inbound { bytes += piece.readableBytesView }
            return try HTTPAnswer(bytes)
        }
    }

    @Test func requestsAreAnswered() async throws {
        let files = try Files()
        let certificate = try TLSCertificate(certificates: files.certificate, key: files.key)
        try await WebUnderTest.run(changing: { $0.certificate = certificate }) { web in
            let answer = try await Self.get(web.port, trusting: TestCertificate.certificate)
            #expect(answer.status == 200 && answer.body.contains("ok"), "\(answer)")
            await #expect(throws: (any Error).self) {
                _ = try await Self.get(web.port, trusting: TestCertificate.renewedCertificate)
            }
            let plain = try await web.conversation { inbound, outbound in
                try await outbound.write(ByteBuffer(string: "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"))
                var bytes: [UInt8] = []
                // The server may reset the connection.
                do { for try await piece in inbound { bytes += piece.readableBytesView } } catch {}
                return String(decoding: bytes, as: UTF8.self)
            }
            #expect(!plain.contains("HTTP"))
        }
    }

    @Test func aRenewedCertificateIsUsedWithoutARestart() async throws {
        let files = try Files()
        let certificate = try TLSCertificate(certificates: files.certificate, key: files.key)
        try await WebUnderTest.run(changing: { $0.certificate = certificate }) { web in
            #expect(try await Self.get(web.port, trusting: TestCertificate.certificate).status == 200)
            try files.write(TestCertificate.renewedCertificate, TestCertificate.renewedKey)
            var isRenewed = false
            // The files are examined at most once a second.
            for _ in 0..<600 where !isRenewed {
                isRenewed = (try? await Self.get(web.port, trusting: TestCertificate.renewedCertificate)) != nil
                if !isRenewed { try await Task.sleep(for: .milliseconds(100)) }
            }
            #expect(isRenewed)
            try files.write("damaged", TestCertificate.key)
            #expect(try await Self.get(web.port, trusting: TestCertificate.renewedCertificate).status == 200)
        }
    }

    @Test func filesThatCannotBeUsedAreNamed() throws {
        func reason(_ certificate: String, _ key: String) throws -> String {
            let files = try Files(certificate, key)
            let error = #expect(throws: TLSCertificateError.self) {
                try TLSCertificate(certificates: files.certificate, key: files.key)
            }
            return error?.reason ?? ""
        }
        #expect(try reason("no PEM", TestCertificate.key) == "no certificates in PEM format")
        #expect(try reason(TestCertificate.certificate, "no PEM").hasPrefix("no private key in PEM format"))
        #expect(try reason(TestCertificate.certificate, TestCertificate.renewedKey).hasPrefix("not the key of"))
        let files = try Files()
        chmod(files.key, 0o604)
        #expect(throws: TLSCertificateError.self) {
            try TLSCertificate(certificates: files.certificate, key: files.key)
        }
        let missing = #expect(throws: TLSCertificateError.self) {
            try TLSCertificate(certificates: "/nowhere", key: files.key)
        }
        #expect(missing?.description == "/nowhere: No such file or directory")
    }
}
