import GRDB

extension StateStore {
    public func record(_ event: EventRecord) throws(MetricsError) {
        try write("record an event") { db in try event.insert(db) }
    }
}
