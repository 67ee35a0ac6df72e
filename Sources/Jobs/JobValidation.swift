extension Job {
    /// Refuses what no training could be done with, naming the key.
    public func validate() throws(JobError) {
        try require(!run.isEmpty, "run", "a name", "‘’")
        try require(!model.isEmpty, "model", "a name", "‘’")
        try require(generation >= 1, "generation", "at least 1", "\(generation)")
        try require(!runDirectory.isEmpty, "run_directory", "a path", "‘’")
        try require(!outputDirectory.isEmpty, "output_directory", "a path", "‘’")
        try require(!corpora.isEmpty, "corpora", "at least one corpus", "none")
        for (index, corpus) in corpora.enumerated() {
            let digits = corpus.sha256.utf8
            let isHexadecimal = digits.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
            try require(
                digits.count == 64 && isHexadecimal, "corpora[\(index)].sha256", "64 hexadecimal digits",
                "‘\(corpus.sha256)’")
            try require(!corpus.path.isEmpty, "corpora[\(index)].path", "a path", "‘’")
        }
        try architecture.validate()
        try recipe.validate(for: objective)
        // Positions begin at 2, after the padding's.
        let positions = architecture.maxPositionEmbeddings - 2
        try require(
            recipe.blockSize <= positions, "recipe.block_size",
            "at most \(positions), that is architecture.max_position_embeddings − 2", "\(recipe.blockSize)")
    }
}

extension Architecture {
    /// The five special tokens and the 256 bytes, without which there is no byte-level tokenizer.
    public static let smallestVocabulary = 261
    /// What a tokenizer's file may hold.
    public static let largestVocabulary = 1 << 20

    func validate() throws(JobError) {
        if let vocabSize {
            try require(
                (Architecture.smallestVocabulary...Architecture.largestVocabulary).contains(vocabSize),
                "architecture.vocab_size",
                "null, or from \(Architecture.smallestVocabulary) (five special tokens and 256 bytes) to "
                    + "\(Architecture.largestVocabulary)",
                "\(vocabSize)")
        }
        // What is published has to pass `RobertaConfiguration.flaw`, which has the reasons.
        let sizes = [
            ("hidden_size", hiddenSize, 1...1 << 16), ("num_hidden_layers", numHiddenLayers, 1...512),
            ("num_attention_heads", numAttentionHeads, 1...1 << 16),
            ("intermediate_size", intermediateSize, 1...1 << 16),
            ("max_position_embeddings", maxPositionEmbeddings, 5...1 << 20),
        ]
        for (key, size, range) in sizes {
            try require(
                range.contains(size), "architecture.\(key)", "from \(range.lowerBound) to \(range.upperBound)",
                "\(size)")
        }
        try require(
            hiddenSize % numAttentionHeads == 0, "architecture.num_attention_heads",
            "a divisor of architecture.hidden_size, which is \(hiddenSize)", "\(numAttentionHeads)")
        let shares = [
            ("hidden_dropout_prob", hiddenDropoutProb), ("attention_probs_dropout_prob", attentionProbsDropoutProb),
        ]
        for (key, share) in shares {
            try require(share >= 0 && share < 1, "architecture.\(key)", "at least 0 and less than 1", "\(share)")
        }
        try require(
            initializerRange > 0 && initializerRange <= 100, "architecture.initializer_range",
            "more than 0, at most 100", "\(initializerRange)")
        try require(
            (0...1).contains(layerNormEps), "architecture.layer_norm_eps", "from 0 to 1", "\(layerNormEps)")
    }
}

extension Recipe {
    func validate(for objective: Objective) throws(JobError) {
        let positive = [
            ("learning_rate", learningRate), ("adam_epsilon", adamEpsilon), ("max_grad_norm", maxGradNorm),
            ("num_train_epochs", numTrainEpochs), ("max_time", maxTime ?? 1), ("decay_ratio", decayRatio),
        ]
        for (key, number) in positive {
            try require(number > 0 && number.isFinite, "recipe.\(key)", "more than 0", "\(number)")
        }
        try require(
            weightDecay >= 0 && weightDecay.isFinite, "recipe.weight_decay", "at least 0", "\(weightDecay)")
        let shares = [
            ("adam_beta1", adamBeta1), ("adam_beta2", adamBeta2), ("muon_momentum", muonMomentum),
            ("warmup_ratio", warmupRatio),
        ]
        for (key, share) in shares {
            try require(share >= 0 && share < 1, "recipe.\(key)", "at least 0 and less than 1", "\(share)")
        }
        try require(
            decayRatio + warmupRatio <= 1, "recipe.decay_ratio", "at most what warmup_ratio leaves", "\(decayRatio)")
        try require(heldOut > 0 && heldOut < 1, "recipe.held_out", "more than 0 and less than 1", "\(heldOut)")
        try require(
            mlmProbability > 0 && mlmProbability <= 1, "recipe.mlm_probability", "more than 0, at most 1",
            "\(mlmProbability)")
        let counts = [
            ("per_device_train_batch_size", perDeviceTrainBatchSize),
            ("gradient_accumulation_steps", gradientAccumulationSteps), ("max_steps", maxSteps ?? 1),
            ("early_stopping_patience", earlyStoppingPatience ?? 1), ("max_bad_steps", maxBadSteps),
            ("logging_steps", loggingSteps), ("eval_steps", evalSteps), ("save_steps", saveSteps ?? 1),
            ("save_total_limit", saveTotalLimit), ("min_frequency", minFrequency),
        ]
        for (key, count) in counts {
            try require((1...Int(UInt32.max)).contains(count), "recipe.\(key)", "at least 1", "\(count)")
        }
        let samples = perDeviceTrainBatchSize.multipliedReportingOverflow(by: gradientAccumulationSteps)
        try require(
            !samples.overflow && samples.partialValue <= Int(UInt32.max), "recipe.gradient_accumulation_steps",
            "at most \(UInt32.max) samples a step with recipe.per_device_train_batch_size",
            "\(gradientAccumulationSteps)")
        let smallestBlock = objective == .mlm ? 3 : 2
        try require(
            blockSize >= smallestBlock, "recipe.block_size", "at least \(smallestBlock) for \(objective.rawValue)",
            "\(blockSize)")
    }
}

private func require(
    _ condition: Bool, _ key: String, _ expected: @autoclosure () -> String, _ found: @autoclosure () -> String
) throws(JobError) {
    guard condition else { throw JobError(key: key, expected: expected(), found: found()) }
}
