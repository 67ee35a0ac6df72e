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
            try requireSHA256(corpus.sha256, "corpora[\(index)].sha256")
            try require(!corpus.path.isEmpty, "corpora[\(index)].path", "a path", "‘’")
        }
        try start?.validate(corpora)
        try recipe.validate(for: objective, architecture)
    }
}

extension JobStart {
    /// - Parameter jobCorpora: the corpora of the job
    fileprivate func validate(_ jobCorpora: [JobCorpus]) throws(JobError) {
        try require(generation >= 1, "start.generation", "an integer of at least 1", "\(generation)")
        try require(!directory.isEmpty, "start.directory", "a path", "‘’")
        try requireSHA256(modelSha256, "start.model_sha256")
        try require(warmStarts >= 1, "start.warm_starts", "an integer of at least 1", "\(warmStarts)")
        let known = Set(jobCorpora.map(\.sha256))
        for (index, sha256) in corpora.enumerated() {
            try require(known.contains(sha256), "start.corpora[\(index)]", "a corpus of the job", "‘\(sha256)’")
        }
        try require(
            !known.isSubset(of: corpora), "start.corpora", "all corpora of the job but the new ones", "all of them")
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

private func requireSHA256(_ text: String, _ key: String) throws(JobError) {
    let isHexadecimal = text.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
    try require(text.utf8.count == 64 && isHexadecimal, key, "64 hexadecimal digits", "‘\(text)’")
}
