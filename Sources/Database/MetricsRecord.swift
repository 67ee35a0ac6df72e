import FoundationEssentials
import GRDB

/// A row of a table. Its properties are the columns, in camelCase.
public protocol MetricsRecord: Codable, Sendable, Equatable, FetchableRecord, PersistableRecord {}

extension MetricsRecord {
    public static var databaseColumnDecodingStrategy: DatabaseColumnDecodingStrategy { .convertFromSnakeCase }
    public static var databaseColumnEncodingStrategy: DatabaseColumnEncodingStrategy { .convertToSnakeCase }

    public static func databaseDateEncodingStrategy(for column: String) -> DatabaseDateEncodingStrategy {
        .custom { $0.formatted(timeStyle) }
    }

    public static func databaseDateDecodingStrategy(for column: String) -> DatabaseDateDecodingStrategy {
        .custom { value in String.fromDatabaseValue(value).flatMap { try? Date($0, strategy: timeStyle) } }
    }
}

let timeStyle = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
