import GRDB
import MetricsSchema

/// The tables, as a series of migrations from an empty database. A released migration never changes; changes are new
/// migrations.
///
/// Times are text in ISO 8601 format, in UTC with milliseconds, so that they sort correctly and are readable.
enum Schema {
    static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1 corpora, runs, steps, evaluations, generations, events") { db in
            try db.execute(sql: first)
        }
        migrator.registerMigration("2 model FLOPs utilization of steps") { db in
            try db.execute(sql: "ALTER TABLE steps ADD COLUMN mfu REAL")
        }
        migrator.registerMigration("3 how corpora are read, and which were removed") { db in
            try db.execute(sql: corporaWays)
        }
        migrator.registerMigration("4 what was found at the gate") { db in
            try db.execute(
                sql: """
                    -- Bits per byte on the same held-out text as the generation that served at the time.
                    ALTER TABLE generations ADD COLUMN judged_bits_per_byte REAL;
                    ALTER TABLE generations ADD COLUMN incumbent INTEGER;
                    ALTER TABLE generations ADD COLUMN incumbent_bits_per_byte REAL;
                    ALTER TABLE generations ADD COLUMN reason TEXT;
                    """)
        }
        migrator.registerMigration("5 views loss_curve and latest_generation") { db in
            try db.execute(sql: views)
        }
        migrator.registerMigration("6 corpora that are set aside, generations keep their time") { db in
            try db.execute(sql: setAside)
            try db.execute(sql: createdOnce)
        }
        migrator.registerMigration("7 bounded text, corpora by their state") { db in
            try db.execute(sql: boundedText)
        }
        migrator.registerMigration("8 removed corpora and earlier versions of a file are found without a scan") { db in
            try db.execute(
                sql: """
                    CREATE INDEX corpora_removed ON corpora (sha256) WHERE removed IS NOT NULL;
                    CREATE INDEX corpora_name ON corpora (name);
                    """)
        }
        migrator.registerMigration("9 encoding and format of corpora, warnings about them") { db in
            try db.execute(sql: corporaWarnings)
        }
        migrator.registerMigration("10 owners of files, which corpora were replaced") { db in
            try db.execute(sql: corporaOwners)
        }
        migrator.registerMigration("11 bits per byte of generations by the precision of their weights") { db in
            try db.execute(
                sql: """
                    -- With packed weights, on the same sample of held-out text; null if not measured.
                    ALTER TABLE generations ADD COLUMN float32_bits_per_byte REAL;
                    ALTER TABLE generations ADD COLUMN bfloat16_bits_per_byte REAL;
                    ALTER TABLE generations ADD COLUMN int8_bits_per_byte REAL;
                    """)
        }
        migrator.registerMigration("12 samples of text after evaluations") { db in
            try db.execute(
                sql: """
                    -- A prompt and what the model made of it, of bounded length, without control characters; null if the run
                    -- made no sample.
                    ALTER TABLE evaluations ADD COLUMN prompt TEXT;
                    ALTER TABLE evaluations ADD COLUMN sample TEXT;
                    """)
        }
        addColumns(of: StepField.self, to: "steps", after: stepColumns, &migrator)
        addColumns(of: EvaluationField.self, to: "evaluations", after: evaluationColumns, &migrator)
        return migrator
    }

    /// The columns that the migrations above create. Fields that are added to the schema later become separate columns,
    /// null in older rows; these two lists therefore never change.
    private static let stepColumns = [
        "step", "epoch", "loss", "learning_rate", "gradient_norm", "tokens", "tokens_per_second", "mfu",
    ]
    private static let evaluationColumns = ["step", "loss", "perplexity", "accuracy", "bits_per_byte"]

    private static func addColumns<Field: MetricField>(
        of fields: Field.Type, to table: String, after existing: [String], _ migrator: inout DatabaseMigrator
    ) {
        for field in Field.allCases where !existing.contains(field.column) {
            migrator.registerMigration("column \(field.column) of \(table)") { db in
                try db.execute(
                    sql: "ALTER TABLE \(table) ADD COLUMN \(field.column) \(field.isInteger ? "INTEGER" : "REAL")")
            }
        }
    }

    private static let setAside = """
        -- When it was set aside because it made runs fail; null if it was not. The column reason has the reason.
        ALTER TABLE corpora ADD COLUMN set_aside TEXT;
        """

    /// Generations are recorded again when they are evaluated or promoted; that must not change their time of creation.
    private static let createdOnce = """
        CREATE TRIGGER generations_created AFTER UPDATE ON generations
        WHEN NEW.created <> OLD.created AND NEW.model_sha256 = OLD.model_sha256
        BEGIN
            UPDATE generations SET created = OLD.created WHERE model = NEW.model AND number = NEW.number;
        END;
        """

    private static let corporaWays = """
        -- Whether the file contained records, which are stored one per line.
        ALTER TABLE corpora ADD COLUMN is_structured INTEGER NOT NULL DEFAULT 0;
        -- The filters of its inbox directory, as JSON; null uses the model's.
        ALTER TABLE corpora ADD COLUMN filters TEXT CHECK (filters IS NULL OR json_valid(filters));
        -- When it was removed; null if it was not.
        ALTER TABLE corpora ADD COLUMN removed TEXT;
        DROP INDEX corpora_admitted;
        CREATE UNIQUE INDEX corpora_admitted ON corpora (sha256) WHERE state = 'admitted' AND removed IS NULL;
        """

    /// Older versions recorded reasons of any length. This limits characters; bytes are limited when rows are read.
    private static let boundedText = """
        UPDATE corpora SET reason = substr(reason, 1, 1023) || '…' WHERE length(reason) > 1024;
        UPDATE runs SET reason = substr(reason, 1, 1023) || '…' WHERE length(reason) > 1024;
        UPDATE generations SET reason = substr(reason, 1, 1023) || '…' WHERE length(reason) > 1024;
        UPDATE events SET message = substr(message, 1, 2047) || '…' WHERE length(message) > 2048;
        UPDATE events SET fields = '{}' WHERE length(fields) > 65536;
        -- For paged lists by state, and for the number of corpora in each state.
        CREATE INDEX corpora_listed ON corpora (
            CASE WHEN removed IS NOT NULL THEN 'removed' WHEN set_aside IS NOT NULL THEN 'set_aside' ELSE state END, id);
        """

    private static let corporaWarnings = """
        -- The encoding of the file; null for UTF-8, or if it is not known.
        ALTER TABLE corpora ADD COLUMN encoding TEXT;
        -- The format of the file as shown to users; null if it is not known.
        ALTER TABLE corpora ADD COLUMN format TEXT;
        -- What was changed or left out while the file was read, as a JSON array of sentences; null if nothing was.
        ALTER TABLE corpora ADD COLUMN warnings TEXT CHECK (warnings IS NULL OR json_valid(warnings));
        """

    private static let corporaOwners = """
        -- User ID of the file's owner; null if it is not known.
        ALTER TABLE corpora ADD COLUMN owner INTEGER;
        -- SHA-256 of the new version of the file, if the row was removed because of it; null otherwise.
        ALTER TABLE corpora ADD COLUMN superseded_by TEXT;
        """

    /// Views for users who query the database, see docs/metrics.md.
    private static let views = """
        CREATE VIEW loss_curve AS
            SELECT
                steps.run, runs.model, steps.step, steps.epoch, steps.loss, evaluations.loss AS held_out_loss,
                evaluations.bits_per_byte, steps.time
            FROM steps
            JOIN runs ON runs.id = steps.run
            LEFT JOIN evaluations ON evaluations.run = steps.run AND evaluations.step = steps.step
            ORDER BY runs.number, steps.step;

        CREATE VIEW latest_generation AS
            SELECT
                model, number, state, run, evaluation_loss, bits_per_byte, parameters, vocab_size, model_sha256, created
            FROM generations
            WHERE number = (SELECT max(number) FROM generations AS others WHERE others.model = generations.model);
        """

    private static let first = """
        -- Every file that was received, in order of arrival.
        CREATE TABLE corpora (
            id INTEGER PRIMARY KEY,
            -- SHA-256 of the admitted bytes; empty if nothing of a rejected file could be read.
            sha256 TEXT NOT NULL CHECK (length(sha256) IN (0, 64)),
            name TEXT NOT NULL,
            bytes INTEGER NOT NULL CHECK (bytes >= 0),
            documents INTEGER NOT NULL CHECK (documents >= 0),
            replaced_bytes INTEGER NOT NULL CHECK (replaced_bytes >= 0),
            state TEXT NOT NULL CHECK (state IN ('admitted', 'duplicate', 'rejected')),
            reason TEXT,
            -- The only model it feeds; null feeds all.
            model TEXT,
            -- Identifies the file, so that a file that was recorded before a kill is not recorded again.
            source TEXT UNIQUE,
            received TEXT NOT NULL,
            CHECK (state <> 'rejected' OR reason IS NOT NULL),
            CHECK (state = 'rejected' OR length(sha256) = 64)
        );
        CREATE UNIQUE INDEX corpora_admitted ON corpora (sha256) WHERE state = 'admitted';
        CREATE INDEX corpora_sha256 ON corpora (sha256);

        CREATE TABLE runs (
            -- The order of creation.
            number INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            model TEXT NOT NULL,
            generation INTEGER CHECK (generation >= 1),
            state TEXT NOT NULL
                CHECK (state IN ('queued', 'running', 'interrupted', 'finished', 'failed', 'cancelled')),
            reason TEXT,
            step INTEGER NOT NULL CHECK (step >= 0),
            total_steps INTEGER NOT NULL CHECK (total_steps >= 0),
            epoch REAL NOT NULL CHECK (epoch >= 0),
            loss REAL,
            evaluation_loss REAL,
            tokens_per_second REAL,
            remaining_seconds REAL,
            started TEXT,
            finished TEXT
        );
        CREATE INDEX runs_model ON runs (model);

        -- The corpora that each run is trained on, in the order in which it reads them.
        CREATE TABLE run_corpora (
            run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
            position INTEGER NOT NULL CHECK (position >= 0),
            sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
            PRIMARY KEY (run, position),
            UNIQUE (run, sha256)
        ) WITHOUT ROWID;
        CREATE INDEX run_corpora_sha256 ON run_corpora (sha256);

        CREATE TABLE steps (
            run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
            step INTEGER NOT NULL CHECK (step >= 0),
            epoch REAL NOT NULL,
            loss REAL NOT NULL,
            learning_rate REAL NOT NULL,
            gradient_norm REAL NOT NULL,
            tokens INTEGER NOT NULL CHECK (tokens >= 0),
            tokens_per_second REAL NOT NULL,
            time TEXT NOT NULL,
            PRIMARY KEY (run, step)
        ) WITHOUT ROWID;

        CREATE TABLE evaluations (
            run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
            step INTEGER NOT NULL CHECK (step >= 0),
            loss REAL NOT NULL,
            perplexity REAL NOT NULL,
            accuracy REAL CHECK (accuracy BETWEEN 0 AND 1),
            bits_per_byte REAL,
            time TEXT NOT NULL,
            PRIMARY KEY (run, step)
        ) WITHOUT ROWID;

        CREATE TABLE generations (
            model TEXT NOT NULL,
            number INTEGER NOT NULL CHECK (number >= 1),
            run TEXT NOT NULL,
            state TEXT NOT NULL CHECK (state IN ('candidate', 'serving', 'retired', 'rejected')),
            model_sha256 TEXT NOT NULL CHECK (length(model_sha256) = 64),
            parameters INTEGER NOT NULL CHECK (parameters > 0),
            vocab_size INTEGER NOT NULL CHECK (vocab_size > 0),
            evaluation_loss REAL,
            bits_per_byte REAL,
            created TEXT NOT NULL,
            PRIMARY KEY (model, number)
        );
        CREATE UNIQUE INDEX generations_serving ON generations (model) WHERE state = 'serving';

        CREATE TABLE events (
            id INTEGER PRIMARY KEY,
            kind TEXT NOT NULL,
            message TEXT NOT NULL,
            model TEXT,
            run TEXT,
            corpus TEXT,
            fields TEXT NOT NULL CHECK (json_valid(fields)),
            time TEXT NOT NULL
        );
        CREATE INDEX events_run ON events (run);
        """
}
