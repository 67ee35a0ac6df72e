import HTTPTypes
import NIOHTTP1

/// A fault in the head of a request, according to RFC 9112 and this server's stricter rules.
///
/// If two programs, such as a proxy and this server, interpret an ambiguous head differently, one request can be
/// smuggled inside another. Such requests are rejected before routing.
enum HeadFault: String, CaseIterable, Sendable {
    case noHost = "no_host"
    case secondHost = "second_host"
    case invalidHost = "invalid_host"
    case otherHost = "other_host"
    case invalidTarget = "invalid_target"
    case invalidLength = "invalid_length"
    case secondLength = "second_length"
    case transferEncoding = "transfer_encoding"
    case contentEncoding = "content_encoding"
    case expectation
    case repeatedOrigin = "origin"
    case repeatedAuthorization = "authorization"
    case repeatedContentType = "content-type"
    case repeatedFetchSite = "sec-fetch-site"
    case repeatedFetchMode = "sec-fetch-mode"

    /// Single-valued headers that decisions are based on.
    private static let single: [HeadFault] = [
        .repeatedOrigin, .repeatedAuthorization, .repeatedContentType, .repeatedFetchSite, .repeatedFetchMode,
    ]

    init?(_ head: HTTPRequestHead) {
        guard let fault = Self.find(head) else { return nil }
        self = fault
    }

    private static func find(_ head: HTTPRequestHead) -> HeadFault? {
        let hosts = head.headers["host"]
        guard let host = hosts.first, !host.isEmpty else { return hosts.count > 1 ? .secondHost : .noHost }
        guard hosts.count == 1 else { return .secondHost }
        guard isAuthority(host) else { return .invalidHost }
        if let fault = target(head, host) { return fault }
        let lengths = head.headers["content-length"]
        let encodings = head.headers["transfer-encoding"]
        guard lengths.count <= 1 else { return .secondLength }
        if let length = lengths.first {
            guard encodings.isEmpty else { return .transferEncoding }
            guard !length.isEmpty, length.utf8.allSatisfy({ (0x30...0x39).contains($0) }), Int(length) != nil else {
                return .invalidLength
            }
        }
        guard encodings.isEmpty || head.version != .http1_0 && encodings.map({ $0.lowercased() }) == ["chunked"]
        else { return .transferEncoding }
        guard head.headers["content-encoding"].allSatisfy({ $0.lowercased() == "identity" }) else {
            return .contentEncoding
        }
        guard head.headers["expect"].allSatisfy({ $0.lowercased() == "100-continue" }) else { return .expectation }
        return single.first { head.headers[$0.rawValue].count > 1 }
    }

    /// Checks for a host name or address with an optional port, without list separators, path or user.
    private static func isAuthority(_ text: String) -> Bool {
        text.utf8.count <= 300
            && text.utf8.allSatisfy {
                switch $0 {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"),
                    UInt8(ascii: ":"), UInt8(ascii: "["), UInt8(ascii: "]"):
                    true
                default: false
                }
            }
    }

    /// Checks for a path, or an absolute URL of the same host.
    private static func target(_ head: HTTPRequestHead, _ host: String) -> HeadFault? {
        // Printable ASCII: everything else must be percent-encoded.
        guard head.uri.utf8.allSatisfy({ (0x21...0x7e).contains($0) && $0 != UInt8(ascii: "#") }) else {
            return .invalidTarget
        }
        if head.uri.hasPrefix("/") || head.method == .OPTIONS && head.uri == "*" { return nil }
        for scheme in ["http://", "https://"] where head.uri.lowercased().hasPrefix(scheme) {
            let authority = head.uri.dropFirst(scheme.utf8.count).prefix { $0 != "/" && $0 != "?" }
            return authority.lowercased() == host.lowercased() ? nil : .otherHost
        }
        return .invalidTarget
    }

    var error: APIError {
        switch self {
        case .noHost: .init(.badRequest, "the Host header is missing", param: "host", code: "invalid_host")
        case .secondHost: .init(.badRequest, "the request has two Host headers", param: "host", code: "invalid_host")
        case .invalidHost: .init(.badRequest, "the Host header is invalid", param: "host", code: "invalid_host")
        case .otherHost:
            .init(.badRequest, "the Host header and the request target differ", param: "host", code: "invalid_host")
        case .invalidTarget: .init(.badRequest, "the request target is not a path", code: "invalid_target")
        case .invalidLength, .secondLength:
            .init(
                .badRequest, "the request has more than one Content-Length", param: "content-length",
                code: "invalid_length")
        case .transferEncoding:
            .init(
                .badRequest, "a body needs either a Content-Length or chunked Transfer-Encoding",
                param: "transfer-encoding",
                code: "invalid_length")
        case .contentEncoding:
            .init(
                .unsupportedMediaType, "a body with Content-Encoding is not supported",
                param: "content-encoding", code: "unsupported_encoding")
        case .expectation:
            .init(
                .expectationFailed, "only ‘Expect: 100-continue’ is supported", param: "expect",
                code: "unsupported_expectation")
        case .repeatedOrigin, .repeatedAuthorization, .repeatedContentType, .repeatedFetchSite, .repeatedFetchMode:
            .init(.badRequest, "the header ‘\(rawValue)’ occurs twice", param: rawValue, code: "repeated_header")
        }
    }
}
