import GRDB

extension StateStore {
    public func record(_ event: EventRecord) throws(MetricsError) {
        try write("record an event") { db in try event.insert(db) }
    }

    /// The newest `limit` events, in the order they happened.
    /// - Parameter run: only this run's; null for all
    public func events(ofRun run: String? = nil, limit: Int) throws(MetricsError) -> [EventRecord] {
        try read("list events") { db in
            var request = EventRecord.order(Column("id").desc).limit(max(0, limit))
            if let run { request = request.filter(Column("run") == run) }
            return try request.fetchAll(db).reversed()
        }
    }
}
