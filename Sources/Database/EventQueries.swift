import GRDB

extension StateStore {
    public func record(_ event: EventRecord) throws(MetricsError) { try record([event]) }

    public func record(_ events: [EventRecord]) throws(MetricsError) {
        try write("record events") { db in
            for event in events { try event.insert(db) }
        }
    }

    /// Returns a page of events, newest first.
    /// - Parameter kinds: limits the list to these kinds; nil returns all
    public func eventPage(
        kinds: [String]? = nil, after key: Int64? = nil, limit: Int
    ) throws(MetricsError) -> Page<EventRecord> {
        try read("list events") { db in
            var request = EventRecord.order(Column("id").desc)
            if let kinds { request = request.filter(kinds.contains(Column("kind"))) }
            if let key { request = request.filter(Column("id") < key) }
            let rows = try request.limit(limit + 1).fetchAll(db)
            return Page(rows.map { ($0.id ?? 0, $0) }, limit: limit)
        }
    }
}
