import GRDB
import Jobs

extension StateStore {
    /// Inserts or updates a generation, durably.
    ///
    /// Saving one as `serving` retires the generation of its model that served before. An update does not change the time of
    /// creation (`created`).
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

    /// Records the bits per byte of a generation by the precision of its weights, durably. Nothing else of it changes.
    public func save(
        _ precisions: MeasuredPrecisions, ofGeneration number: Int, of model: String
    ) throws(MetricsError) {
        try writeDurably("record the precisions of generation \(number) of \(model)") { db in
            try db.execute(
                sql: """
                    UPDATE generations SET float32_bits_per_byte = ?, bfloat16_bits_per_byte = ?, int8_bits_per_byte = ?
                    WHERE model = ? AND number = ?
                    """,
                arguments: [precisions.float32, precisions.bfloat16, precisions.int8, model, number])
        }
    }

    /// Rejects all candidates of a model except for one, durably.
    /// - Returns: the records before the change
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

    /// Deletes the record of a generation that was removed.
    public func removeGeneration(_ number: Int, of model: String) throws(MetricsError) {
        try write("forget generation \(number) of \(model)") { db in
            try db.execute(sql: "DELETE FROM generations WHERE model = ? AND number = ?", arguments: [model, number])
        }
    }

    /// Returns the generations of a model, newest first.
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
}
