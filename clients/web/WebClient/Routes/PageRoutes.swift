import HTTPTypes
import Hummingbird
import NIOCore
import WebPage

/// Serves the page's files, which are embedded in the program, and the facts the page needs about the server.
enum PageRoutes {
    private struct PlaceReply: Encodable {
        /// Maximum size of an uploaded file in bytes.
        var uploadLimit: Int
        /// The file that holds the token.
        var tokenFile: String?
        var requiresKey: Bool

        private enum CodingKeys: String, CodingKey {
            case uploadLimit = "upload_limit"
            case tokenFile = "token_file"
            case requiresKey = "requires_key"
        }
    }

    static func place(_ services: RouteServices) -> Response {
        .json(
            PlaceReply(
                uploadLimit: services.inbox.limit, tokenFile: services.tokenFile,
                requiresKey: services.access.keys != nil))
    }

    /// Browsers revalidate each file, and download it only if it has changed.
    static func file(_ name: String, for request: Request) throws -> Response {
        guard let file = PageFile.all.first(where: { $0.name == name }) else { throw HTTPError(.notFound) }
        var headers: HTTPFields = [.cacheControl: "no-cache", .eTag: file.eTag]
        if let known = request.headers[.ifNoneMatch], known == "*" || known.contains(file.eTag) {
            return Response(status: .notModified, headers: headers)
        }
        headers[.contentType] = file.contentType
        return Response(status: .ok, headers: headers, body: .init(byteBuffer: ByteBuffer(bytes: file.bytes)))
    }
}
