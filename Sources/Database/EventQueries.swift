import GRDB

extension StateStore {
    public func record(_ event: EventRecord) throws(MetricsError) { try record([event]) }

    public func record(_ events: [EventRecord]) throws(MetricsError) {
        try write("record events") { db in
            for event in events { try event.insert(db) }
        }
    }
}
