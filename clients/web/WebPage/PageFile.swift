import Crypto

/// A file of the page, embedded in the program.
public struct PageFile: Sendable {
    public let name: String
    public let contentType: String
    public let bytes: [UInt8]
    /// Changes with the contents. Includes the quotes.
    public let eTag: String

    private init(_ name: String, _ contentType: String, _ bytes: [UInt8]) {
        self.name = name
        self.contentType = contentType
        self.bytes = bytes
        let digest = SHA256.hash(data: bytes).prefix(16)
        eTag = "\"" + digest.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() + "\""
    }

    private static func script(_ name: String, _ bytes: [UInt8]) -> PageFile {
        .init(name, "text/javascript; charset=utf-8", bytes)
    }

    /// All files of `static`; a test compares the two.
    public static let all: [PageFile] = [
        .init("index.html", "text/html; charset=utf-8", PackageResources.index_html),
        .init("style.css", "text/css; charset=utf-8", PackageResources.style_css),
        .init("icon.svg", "image/svg+xml", PackageResources.icon_svg),
        .script("api.js", PackageResources.api_js),
        .script("app.js", PackageResources.app_js),
        .script("chart.js", PackageResources.chart_js),
        .script("chat.js", PackageResources.chat_js),
        .script("comparison.js", PackageResources.comparison_js),
        .script("corpora.js", PackageResources.corpora_js),
        .script("csv.js", PackageResources.csv_js),
        .script("dom.js", PackageResources.dom_js),
        .script("fill.js", PackageResources.fill_js),
        .script("first.js", PackageResources.first_js),
        .script("format.js", PackageResources.format_js),
        .script("live.js", PackageResources.live_js),
        .script("models.js", PackageResources.models_js),
        .script("plans.js", PackageResources.plans_js),
        .script("samples.js", PackageResources.samples_js),
        .script("store.js", PackageResources.store_js),
        .script("surprise.js", PackageResources.surprise_js),
        .script("token.js", PackageResources.token_js),
        .script("trace.js", PackageResources.trace_js),
        .script("training.js", PackageResources.training_js),
    ]
}
