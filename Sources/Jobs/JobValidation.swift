extension Job {
    /// Refuses a job that cannot be trained, naming the key.
    public func validate() throws(JobError) {
        try require(!run.isEmpty, "run", "a name", "‘’")
        try require(!model.isEmpty, "model", "a name", "‘’")
        try require(generation >= 1, "generation", "an integer of at least 1", "\(generation)")
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
        try recipe.validate(for: objective, architecture)
    }
}

extension Architecture {
    /// Refuses an architecture that no model can have, naming the key below `architecture`.
    public func validate() throws(JobError) {
        try Architecture.settings.validate(self, section: "architecture")
        guard let hiddenSize, let numAttentionHeads else { return }
        try require(
            hiddenSize % numAttentionHeads == 0, "architecture.num_attention_heads",
            "a divisor of hidden_size, which is \(hiddenSize)", "\(numAttentionHeads)")
    }
}

extension Recipe {
    /// Refuses a recipe or an architecture that a model of `objective` cannot be trained with, naming the key below
    /// `recipe` or `architecture`.
    public func validate(for objective: Objective, _ architecture: Architecture) throws(JobError) {
        try architecture.validate()
        try Recipe.settings.validate(self, section: "recipe")
        try require(
            decayRatio + warmupRatio <= 1, "recipe.decay_ratio",
            "a number of at most \(1 - warmupRatio), which is 1 - warmup_ratio", "\(decayRatio)")
        let samples = batchSize.multipliedReportingOverflow(by: gradientAccumulationSteps)
        try require(
            !samples.overflow && samples.partialValue <= Int(UInt32.max), "recipe.gradient_accumulation_steps",
            "at most \(UInt32.max) samples in a step, which are its product with per_device_train_batch_size",
            "\(gradientAccumulationSteps)")
        let smallestBlock = objective == .mlm ? 3 : 2
        try require(
            blockSize >= smallestBlock, "recipe.block_size",
            "an integer of at least \(smallestBlock) for \(objective.rawValue)", "\(blockSize)")
        // Positions start at 2, after the padding token's.
        let positions = architecture.maxPositionEmbeddings - 2
        try require(
            blockSize <= positions, "recipe.block_size",
            "an integer of at most \(positions), which is max_position_embeddings - 2", "\(blockSize)")
    }
}

private func require(
    _ condition: Bool, _ key: String, _ expected: @autoclosure () -> String, _ found: @autoclosure () -> String
) throws(JobError) {
    guard condition else { throw JobError(key: key, expected: expected(), found: found()) }
}
