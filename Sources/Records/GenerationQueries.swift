import GRDB

extension MetricsStore {
    /// Records a generation or what has become of it; on the disk when this returns.
    ///
    /// Saved as `serving`, it is the one of its model that serves: the one that did is retired.
    public func save(_ generation: GenerationRecord) throws(MetricsError) {
        try writeDurably("record generation \(generation.number) of \(generation.model)") { db in
            if generation.state == .serving {
                try db.execute(
                    sql:
                        "UPDATE generations SET state = 'retired' WHERE model = ? AND state = 'serving' AND number <> ?",
                    arguments: [generation.model, generation.number])
            }
            try generation.bounded.upsert(db)
        }
    }

    /// Forgets a generation that is there no more.
    public func removeGeneration(_ number: Int, of model: String) throws(MetricsError) {
        try write("forget generation \(number) of \(model)") { db in
            try db.execute(sql: "DELETE FROM generations WHERE model = ? AND number = ?", arguments: [model, number])
        }
    }

    /// The newest first.
    public func generations(of model: String) throws(MetricsError) -> [GenerationRecord] {
        try read("list generations") { db in
            try GenerationRecord.filter(Column("model") == model).order(Column("number").desc).fetchAll(db)
        }
    }

    public func generation(_ number: Int, of model: String) throws(MetricsError) -> GenerationRecord? {
        try read("find generation \(number) of \(model)") { db in
            try GenerationRecord.filter(Column("model") == model && Column("number") == number).fetchOne(db)
        }
    }

    /// The one with the highest number, whatever its state; null before the first.
    public func newestGeneration(of model: String) throws(MetricsError) -> GenerationRecord? {
        try generationPage(of: model, limit: 1).rows.first?.value
    }

    /// Null before the first.
    public func servingGeneration(of model: String) throws(MetricsError) -> GenerationRecord? {
        try read("find the generation of \(model) that serves") { db in
            try GenerationRecord.filter(Column("model") == model && Column("state") == "serving").fetchOne(db)
        }
    }
}
