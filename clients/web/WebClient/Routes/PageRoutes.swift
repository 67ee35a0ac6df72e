import HTTPTypes
import Hummingbird
import NIOCore
import WebPage

/// Serves the page's files, which are embedded in the program, and the facts the page needs about the server.
struct PageRoutes {
    let inbox: Inbox
    let tokenFile: String?

    private struct PlaceReply: Encodable {
        /// Maximum size of an uploaded file in bytes.
        var uploadLimit: Int
        /// The file that holds the token.
        var tokenFile: String?

        private enum CodingKeys: String, CodingKey {
            case uploadLimit = "upload_limit"
            case tokenFile = "token_file"
        }
    }

    func add(to router: some RouterMethods<BasicRequestContext>) {
        for file in PageFile.all {
            let path = file.name == "index.html" ? "" : "static/\(file.name)"
            router.get(RouterPath(path)) { request, _ in Self.answer(file, to: request) }
        }
        let place = PlaceReply(uploadLimit: inbox.limit, tokenFile: tokenFile)
        router.get("api/place") { _, _ in Response.json(place) }
    }

    /// Browsers revalidate each file, and download it only if it has changed.
    private static func answer(_ file: PageFile, to request: Request) -> Response {
        var headers: HTTPFields = [.cacheControl: "no-cache", .eTag: file.eTag]
        if let known = request.headers[.ifNoneMatch], known == "*" || known.contains(file.eTag) {
            return Response(status: .notModified, headers: headers)
        }
        headers[.contentType] = file.contentType
        return Response(status: .ok, headers: headers, body: .init(byteBuffer: ByteBuffer(bytes: file.bytes)))
    }
}
