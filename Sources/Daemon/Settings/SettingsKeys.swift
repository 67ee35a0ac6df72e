import Corpora
import Jobs
import Scheduling
import TextFilters

/// One value of `Root` that a settings file can change, and how its text is read.
struct SettingsKey<Root>: Sendable {
    var name: String
    var expected: String
    /// Writes what `text` stands for into `root`; false where `text` does not fit.
    var apply: @Sendable (_ text: String, _ root: inout Root) -> Bool
    /// What is wrong with a text that does not fit, where that is not plain from `expected`.
    var explain: @Sendable (_ text: String) -> String? = { _ in nil }

    static func integer(
        _ name: String, _ path: any WritableKeyPath<Root, Int> & Sendable, atLeast least: Int? = nil
    ) -> SettingsKey {
        let expected = least.map { "a whole number, at least \($0)" } ?? "a whole number"
        return SettingsKey(name: name, expected: expected) { text, root in
            guard let number = Int(text), number >= least ?? .min else { return false }
            root[keyPath: path] = number
            return true
        }
    }

    static func real(
        _ name: String, _ path: any WritableKeyPath<Root, Double> & Sendable, _ range: ClosedRange<Double>? = nil
    ) -> SettingsKey {
        let expected = range.map { "a number from \($0.lowerBound) to \($0.upperBound)" } ?? "a number"
        return SettingsKey(name: name, expected: expected) { text, root in
            guard let number = Double(text), number.isFinite, range?.contains(number) ?? true else { return false }
            root[keyPath: path] = number
            return true
        }
    }

    static func optionalInteger(_ name: String, _ path: any WritableKeyPath<Root, Int?> & Sendable) -> SettingsKey {
        SettingsKey(name: name, expected: "a whole number") { text, root in
            guard let number = Int(text) else { return false }
            root[keyPath: path] = number
            return true
        }
    }

    /// `auto` leaves it to a rule.
    static func automatic(
        _ name: String, _ path: any WritableKeyPath<Root, Int?> & Sendable, atLeast least: Int
    ) -> SettingsKey {
        SettingsKey(name: name, expected: "a whole number, at least \(least), or auto") { text, root in
            guard text != "auto" else {
                root[keyPath: path] = nil
                return true
            }
            guard let number = Int(text), number >= least else { return false }
            root[keyPath: path] = number
            return true
        }
    }

    static func bool(_ name: String, _ path: any WritableKeyPath<Root, Bool> & Sendable) -> SettingsKey {
        SettingsKey(name: name, expected: "true or false") { text, root in
            guard let bool = Bool(text) else { return false }
            root[keyPath: path] = bool
            return true
        }
    }

    static func word<Word: RawRepresentable<String> & CaseIterable & SendableMetatype>(
        _ name: String, _ path: any WritableKeyPath<Root, Word> & Sendable
    ) -> SettingsKey {
        let expected = "one of " + Word.allCases.map(\.rawValue).joined(separator: ", ")
        return SettingsKey(name: name, expected: expected) { text, root in
            guard let word = Word(rawValue: text) else { return false }
            root[keyPath: path] = word
            return true
        }
    }

    /// `none` takes back what a wider section says.
    static func parsed<Value>(
        _ name: String, _ expected: String, _ path: any WritableKeyPath<Root, Value?> & Sendable,
        _ parse: @escaping @Sendable (String) throws(CalendarError) -> Value
    ) -> SettingsKey {
        SettingsKey(name: name, expected: expected) { text, root in
            root[keyPath: path] = text == "none" ? nil : try? parse(text)
            return text == "none" || root[keyPath: path] != nil
        } explain: { text in
            do throws(CalendarError) {
                _ = try parse(text)
                return nil
            } catch {
                return error.description
            }
        }
    }

    static func duration(_ name: String, _ path: any WritableKeyPath<Root, Double> & Sendable) -> SettingsKey {
        SettingsKey(name: name, expected: DurationText.expected) { text, root in
            guard let seconds = DurationText.seconds(text) else { return false }
            root[keyPath: path] = seconds
            return true
        }
    }
}

extension Architecture {
    /// What numbers are possible is `Job.validate`'s to say.
    static let keys: [SettingsKey<Architecture>] = [
        SettingsKey(name: "vocab_size", expected: "a whole number or auto") { text, root in
            if text == "auto" {
                root.vocabSize = nil
                return true
            }
            guard let number = Int(text) else { return false }
            root.vocabSize = number
            return true
        },
        .integer("hidden_size", \.hiddenSize),
        .integer("num_hidden_layers", \.numHiddenLayers),
        .integer("num_attention_heads", \.numAttentionHeads),
        .integer("intermediate_size", \.intermediateSize),
        .integer("max_position_embeddings", \.maxPositionEmbeddings),
        .real("hidden_dropout_prob", \.hiddenDropoutProb),
        .real("attention_probs_dropout_prob", \.attentionProbsDropoutProb),
        .real("initializer_range", \.initializerRange),
        .real("layer_norm_eps", \.layerNormEps),
    ]
}

extension Recipe {
    static let keys: [SettingsKey<Recipe>] = [
        .word("optimizer", \.optimizer),
        .real("learning_rate", \.learningRate),
        .word("lr_scheduler_type", \.lrSchedulerType),
        .real("warmup_ratio", \.warmupRatio),
        .real("decay_ratio", \.decayRatio),
        .real("weight_decay", \.weightDecay),
        .real("adam_beta1", \.adamBeta1),
        .real("adam_beta2", \.adamBeta2),
        .real("adam_epsilon", \.adamEpsilon),
        .real("muon_momentum", \.muonMomentum),
        .real("max_grad_norm", \.maxGradNorm),
        .integer("per_device_train_batch_size", \.perDeviceTrainBatchSize),
        .integer("gradient_accumulation_steps", \.gradientAccumulationSteps),
        .real("num_train_epochs", \.numTrainEpochs),
        .optionalInteger("max_steps", \.maxSteps),
        SettingsKey(name: "max_time", expected: "\(DurationText.expected), or none") { text, root in
            root.maxTime = text == "none" ? nil : DurationText.seconds(text)
            return text == "none" || root.maxTime != nil
        },
        .optionalInteger("early_stopping_patience", \.earlyStoppingPatience),
        .bool("load_best_model_at_end", \.loadBestModelAtEnd),
        .integer("max_bad_steps", \.maxBadSteps),
        .integer("block_size", \.blockSize),
        .word("precision", \.precision),
        .word("initialization", \.initialization),
        .real("mlm_probability", \.mlmProbability),
        .integer("min_frequency", \.minFrequency),
        .real("held_out", \.heldOut),
        .integer("logging_steps", \.loggingSteps),
        .integer("eval_steps", \.evalSteps),
        .optionalInteger("save_steps", \.saveSteps),
        .integer("save_total_limit", \.saveTotalLimit),
        SettingsKey(name: "seed", expected: "a whole number, at least 0") { text, root in
            guard let number = UInt64(text) else { return false }
            root.seed = number
            return true
        },
    ]
}

extension TextFilterValues {
    static let keys: [SettingsKey<TextFilterValues>] = [
        SettingsKey(name: "keep", expected: "characters and ranges such as \"a-z '\"") { text, root in
            root.keep = text
            return true
        },
        .optionalInteger("min_words", \.minWords),
        .optionalInteger("max_words", \.maxWords),
    ]
}

extension Settings {
    static let inboxKeys: [SettingsKey<InboxSettings>] = [
        .duration("stable", \.stableSeconds),
        .duration("retry", \.retrySeconds),
        SettingsKey(name: "text_column", expected: "the name of a column") { text, root in
            root.reading.textColumn = text
            return true
        },
        .integer("max_file_bytes", \.reading.maxFileBytes, atLeast: 1),
        .integer("max_expanded_bytes", \.reading.maxExpandedBytes, atLeast: 1),
        .integer("max_expansion_ratio", \.reading.maxExpansionRatio, atLeast: 1),
        .integer("max_record_bytes", \.reading.maxRecordBytes, atLeast: 1),
    ]
    static let scheduleKeys: [SettingsKey<ScheduleSettings>] = [
        SettingsKey(name: "on_arrival", expected: "true, false or auto") { text, root in
            root.onArrival = Bool(text)
            return text == "auto" || root.onArrival != nil
        },
        .duration("settle", \.settleSeconds),
        SettingsKey(name: "every", expected: "a duration such as 24h, at least 1s, or none") { text, root in
            root.everySeconds = text == "none" ? nil : DurationText.seconds(text)
            return text == "none" || root.everySeconds ?? 0 >= 1
        },
        .parsed("calendar", "a calendar expression as in systemd.time(7), such as Mon..Fri 22:00, or none", \.calendar)
        {
            text throws(CalendarError) in try CalendarExpression(text)
        },
        .parsed("window", "hours such as 22:00-06:00 or Sat,Sun 00:00-24:00, or none", \.window) {
            text throws(CalendarError) in try TrainingWindow(text)
        },
    ]
    static let trainingKeys: [SettingsKey<TrainingSettings>] = [
        .integer("max_restarts", \.maxRestarts, atLeast: 0),
        .duration("restart_wait", \.restartWaitSeconds),
        .duration("stop", \.stopSeconds),
        SettingsKey(name: "stall", expected: "\(DurationText.expected), or never") { text, root in
            guard text != "never" else {
                root.stallSeconds = nil
                return true
            }
            guard let seconds = DurationText.seconds(text), seconds > 0 else { return false }
            root.stallSeconds = seconds
            return true
        },
        SettingsKey(name: "nice", expected: "a whole number from 0 to 19") { text, root in
            guard let number = Int(text), (0...19).contains(number) else { return false }
            root.nice = number
            return true
        },
        SettingsKey(name: "oom_score_adjust", expected: "a whole number from 0 to 1000") { text, root in
            guard let number = Int(text), (0...1000).contains(number) else { return false }
            root.oomScoreAdjust = number
            return true
        },
        SettingsKey(name: "memory_limit", expected: "\(ByteCountText.expected), or auto") { text, root in
            guard text != "auto" else {
                root.memoryLimit = nil
                return true
            }
            guard let bytes = ByteCountText.bytes(text), bytes > 0 else { return false }
            root.memoryLimit = bytes
            return true
        },
    ]
    static let promotionKeys: [SettingsKey<PromotionSettings>] = [.real("tolerance", \.tolerance, 0...10)]
    static let retentionKeys: [SettingsKey<RetentionSettings>] = [
        .integer("keep_generations", \.keepGenerations, atLeast: 1),
        .bool("keep_checkpoints", \.keepCheckpoints),
        .integer("keep_runs", \.keepRuns, atLeast: 1),
        SettingsKey(name: "keep_metrics", expected: "\(DurationText.expected), or forever") { text, root in
            guard text != "forever" else {
                root.keepMetricsSeconds = nil
                return true
            }
            guard let seconds = DurationText.seconds(text) else { return false }
            root.keepMetricsSeconds = seconds
            return true
        },
        SettingsKey(name: "reserve", expected: "\(ByteCountText.expected), or auto") { text, root in
            root.reserveBytes = text == "auto" ? nil : ByteCountText.bytes(text)
            return text == "auto" || root.reserveBytes != nil
        },
    ]
    static let servingKeys: [SettingsKey<ServingSettings>] = [
        .word("precision", \.precision),
        .integer("max_concurrent_requests", \.maxConcurrentRequests, atLeast: 1),
        .automatic("max_concurrent_requests_per_user", \.maxConcurrentRequestsPerUser, atLeast: 1),
        SettingsKey(name: "max_request_memory", expected: "\(ByteCountText.expected), at least 16M") { text, root in
            guard let bytes = ByteCountText.bytes(text), bytes >= 16 << 20 else { return false }
            root.maxRequestMemory = bytes
            return true
        },
        .integer("max_new_tokens", \.maxNewTokens, atLeast: 1),
        .real("temperature", \.temperature, 0...100),
        .integer("top_k", \.topK, atLeast: 0),
        .real("top_p", \.topP, 0.000001...1),
        .real("min_p", \.minP, 0...1),
        .real("repetition_penalty", \.repetitionPenalty, 0.01...100),
        .integer("fillings", \.fillings, atLeast: 1),
    ]
    static let socketKeys: [SettingsKey<SocketSettings>] = [
        SettingsKey(name: "mode", expected: "permission bits such as 0660") { text, root in
            guard let mode = UInt32(text, radix: 8), mode <= 0o777 else { return false }
            root.mode = mode
            return true
        },
        SettingsKey(name: "group", expected: "the name of a group") { text, root in
            root.group = text
            return true
        },
        SettingsKey(name: "admin_group", expected: "the name of a group") { text, root in
            root.adminGroup = text
            return true
        },
        .integer("max_connections", \.maxConnections, atLeast: 1),
        .automatic("max_connections_per_user", \.maxConnectionsPerUser, atLeast: 1),
        .integer("max_request_bytes", \.maxRequestBytes, atLeast: 1024),
        .duration("idle_timeout", \.idleTimeoutSeconds),
        .duration("receive_timeout", \.receiveTimeoutSeconds),
        .duration("answer_timeout", \.answerTimeoutSeconds),
        .duration("read_timeout", \.readTimeoutSeconds),
    ]
    static let logLevels = ["trace", "debug", "info", "notice", "warning", "error", "critical"]
    static let loggingKeys: [SettingsKey<LoggingSettings>] = [
        SettingsKey(name: "level", expected: "one of " + logLevels.joined(separator: ", ")) { text, root in
            root.level = text
            return logLevels.contains(text)
        }
    ]

    /// Sections that are not models; a model may not take one of these names.
    package static let sections = [
        "models", "inbox", "schedule", "training", "promotion", "retention", "serving", "socket", "logging",
    ]

    /// The dotted keys outside the models' sections.
    package static var generalKeys: [String] {
        ["models"] + inboxKeys.map { "inbox.\($0.name)" } + scheduleKeys.map { "schedule.\($0.name)" }
            + trainingKeys.map { "training.\($0.name)" } + promotionKeys.map { "promotion.\($0.name)" }
            + retentionKeys.map { "retention.\($0.name)" } + servingKeys.map { "serving.\($0.name)" }
            + socketKeys.map { "socket.\($0.name)" } + loggingKeys.map { "logging.\($0.name)" }
    }

    /// The keys inside a model's section.
    package static var modelKeys: [String] {
        ["objective", "preset", "recipe", "samples", "filters", "tokenizer"] + TextFilterValues.keys.map(\.name)
            + architectureKeys + recipeKeys
            + scheduleKeys.map { "schedule.\($0.name)" }
    }

    /// What may stand behind each key of `generalKeys` and `modelKeys`, for the manual.
    package static var expectedValues: [String: String] {
        func oneOf<Word: RawRepresentable<String> & CaseIterable>(_ type: Word.Type) -> String {
            "one of " + Word.allCases.map(\.rawValue).joined(separator: ", ")
        }
        func named<Root>(_ section: String, _ keys: [SettingsKey<Root>]) -> [(String, String)] {
            keys.map { (section + $0.name, $0.expected) }
        }
        let values =
            [
                ("objective", oneOf(Objective.self)), ("preset", oneOf(Preset.self)),
                ("recipe", oneOf(RecipeName.self)),
                ("samples", oneOf(SampleUnit.self)),
            ] + named("", Architecture.keys) + named("", Recipe.keys) + named("inbox.", inboxKeys)
            + named("schedule.", scheduleKeys) + named("training.", trainingKeys) + named("serving.", servingKeys)
            + named("socket.", socketKeys) + named("logging.", loggingKeys)
        return Dictionary(values, uniquingKeysWith: { first, _ in first })
    }

    package static var architectureKeys: [String] { Architecture.keys.map(\.name) }
    package static var recipeKeys: [String] { Recipe.keys.map(\.name) }
}
