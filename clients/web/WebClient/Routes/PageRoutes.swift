import HTTPTypes
import Hummingbird
import NIOCore
import WebPage

/// The page itself, out of the program, and what it needs to know of where it runs.
struct PageRoutes {
    let inbox: Inbox
    let tokenFile: String?

    private struct Place: Encodable {
        /// Bytes a file may have.
        var uploadLimit: Int
        /// Where the token can be read, by who may.
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
        let place = Place(uploadLimit: inbox.limit, tokenFile: tokenFile)
        router.get("api/place") { _, _ in Response.json(place) }
    }

    /// Asked for every time, sent only where it has changed.
    private static func answer(_ file: PageFile, to request: Request) -> Response {
        var headers: HTTPFields = [.cacheControl: "no-cache", .eTag: file.eTag]
        if let known = request.headers[.ifNoneMatch], known == "*" || known.contains(file.eTag) {
            return Response(status: .notModified, headers: headers)
        }
        headers[.contentType] = file.contentType
        return Response(status: .ok, headers: headers, body: .init(byteBuffer: ByteBuffer(bytes: file.bytes)))
    }
}
