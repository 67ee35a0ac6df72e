import GRDB

extension StateStore {
    public func record(_ event: EventRecord) throws(MetricsError) {
        try write("record an event") { db in try event.insert(db) }
    }

    /// Returns the newest `limit` events, oldest first.
    /// - Parameter run: limits the list to this run; nil returns all
    public func events(ofRun run: String? = nil, limit: Int) throws(MetricsError) -> [EventRecord] {
        try read("list events") { db in
            var request = EventRecord.order(Column("id").desc).limit(max(0, limit))
            if let run { request = request.filter(Column("run") == run) }
            return try request.fetchAll(db).reversed()
        }
    }
}
