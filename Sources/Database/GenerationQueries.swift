import GRDB

extension StateStore {
    /// Records a generation or what has become of it; on the disk when this returns.
    ///
    /// Saved as `serving`, it is the one of its model that serves: the one that did is retired. Recorded again, it keeps the
    /// time it was made (`created`).
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

    /// Records of the candidates of a model that they may not serve, but for one; on the disk when this returns.
    /// - Returns: them as they were
    public func withdrawCandidates(
        of model: String, but number: Int, because reason: String
    ) throws(MetricsError) -> [GenerationRecord] {
        try writeDurably("withdraw the candidates of \(model)") { db in
            let candidates = GenerationRecord.filter(
                Column("model") == model && Column("state") == GenerationRecord.State.candidate.rawValue
                    && Column("number") != number)
            let records = try candidates.order(Column("number")).fetchAll(db)
            _ = try candidates.updateAll(
                db, Column("state").set(to: GenerationRecord.State.rejected.rawValue),
                Column("reason").set(to: reason))
            return records
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
