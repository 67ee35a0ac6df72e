import SettingsTable

/// Counts are kept in 32 bits in checkpoints and shards.
private let largestCount = Int(UInt32.max)

extension Recipe {
    /// Every key of a recipe.
    public static let settings: [JobSetting<Recipe>] = optimization + batches + duration + samplesAndTokens + reporting

    private static let optimization: [JobSetting<Recipe>] = [
        JobSetting(
            "optimizer", \.optimizer, .word,
            "muon: Muon for the weight matrices of the layers and AdamW for everything else. adamw: AdamW throughout."),
        JobSetting(
            "learning_rate", \.learningRate, .number(above: 0), isRequired: true,
            "The peak learning rate."),
        JobSetting(
            "lr_scheduler_type", \.lrSchedulerType, .word,
            """
            The learning rate after warm-up: linear and cosine decay to 0, constant keeps the peak, warmup_stable_decay \
            keeps it and decays to 0 over the last decay_ratio of the run.
            """),
        JobSetting(
            "warmup_ratio", \.warmupRatio, .number(atLeast: 0, below: 1), isRequired: true,
            "Fraction of the run over which the learning rate rises linearly from 0."),
        JobSetting(
            "decay_ratio", \.decayRatio, .number(above: 0, atMost: 1),
            "Fraction of the run over which warmup_stable_decay decays; with warmup_ratio at most 1."),
        JobSetting(
            "weight_decay", \.weightDecay, .number(atLeast: 0), isRequired: true,
            "Decoupled weight decay; biases and LayerNorm weights have none."),
        JobSetting(
            "adam_beta1", \.adamBeta1, .number(atLeast: 0, below: 1),
            "Decay rate of AdamW's first moment."),
        JobSetting(
            "adam_beta2", \.adamBeta2, .number(atLeast: 0, below: 1),
            "Decay rate of AdamW's second moment."),
        JobSetting(
            "adam_epsilon", \.adamEpsilon, .number(above: 0),
            "Added to AdamW's denominator."),
        JobSetting(
            "muon_momentum", \.muonMomentum, .number(atLeast: 0, below: 1),
            "Momentum of Muon."),
        JobSetting(
            "max_grad_norm", \.maxGradNorm, .number(above: 0),
            "Gradients with a larger norm are scaled down to this norm."),
    ]

    private static let batches: [JobSetting<Recipe>] = [
        JobSetting(
            "per_device_train_batch_size", optional: \.perDeviceTrainBatchSize,
            .integer(atLeast: 1, atMost: largestCount), or: "auto",
            """
            Rows in one batch. auto: chosen before the first step, and stated in the log, so that a batch has about \
            \(AutomaticBatch.tokens) tokens, or fewer if an epoch would have less than \(AutomaticBatch.stepsPerEpoch) \
            steps; a multiple of \(AutomaticBatch.sizes.lowerBound) from \(AutomaticBatch.sizes.lowerBound) to \
            \(AutomaticBatch.sizes.upperBound), so that long rows give more tokens.
            """),
        JobSetting(
            "gradient_accumulation_steps", \.gradientAccumulationSteps, .integer(atLeast: 1, atMost: largestCount),
            "Batches whose gradients are summed for one optimizer step."),
        JobSetting(
            "logical_workers", \.logicalWorkers, .integer(atLeast: 1, atMost: Recipe.mostLogicalWorkers),
            """
            Parts that the samples of a step are divided into for training on several machines (training.launcher, \
            docs/cluster.md). At most as many processes can take part, and any smaller number produces the same model. \
            1: one process.
            """),
    ]

    private static let duration: [JobSetting<Recipe>] = [
        JobSetting(
            "num_train_epochs", optional: \.numTrainEpochs, .number(above: 0), or: "auto",
            "Passes over the training samples. auto: as many as lower the held-out loss and fit into max_time."),
        JobSetting(
            "max_steps", optional: \.maxSteps, .integer(atLeast: 1, atMost: largestCount), or: "null",
            "Ends the run after this many steps, if that is earlier. null: no limit."),
        JobSetting(
            "max_time", \.maxTime, TimeLimit.format,
            """
            Ends the run after this much training time; the learning rate decays to 0 by then. A run that is expected to \
            take less, and does, is not affected. auto: \(AutomaticModel.timeDescription). none: no limit.
            """),
        JobSetting(
            "early_stopping_patience", optional: \.earlyStoppingPatience,
            .integer(atLeast: 1, atMost: largestCount), or: "null",
            "Ends the run after this many consecutive evaluations without a lower loss. null: never."),
        JobSetting(
            "load_best_model_at_end", \.loadBestModelAtEnd, .boolean,
            "Publishes the model of the evaluation with the lowest loss instead of the last one."),
        JobSetting(
            "max_bad_steps", \.maxBadSteps, .integer(atLeast: 1, atMost: largestCount),
            """
            A step whose loss or gradient is not finite is skipped; after this many consecutive skipped steps the run fails.
            """),
    ]

    private static let samplesAndTokens: [JobSetting<Recipe>] = [
        JobSetting(
            "block_size", \.blockSize, .integer(atLeast: 2, atMost: 1 << 20),
            "Maximum tokens in a row, including <s> and </s>: at least 3 for mlm, at most max_position_embeddings - 2."
        ),
        JobSetting(
            "truncate", \.truncate, .boolean,
            """
            Drops the tokens of a sample beyond block_size if the objective is mlm, as the book chapter does, and warns with \
            their share. Otherwise a long sample continues in further rows.
            """),
        JobSetting(
            "precision", \.precision, .word,
            """
            Operand type of matrix products: float32, bfloat16, or auto, which is the faster one on this CPU, as measured \
            once for the machine.
            """),
        JobSetting(
            "initialization", \.initialization, .word,
            """
            Initial weights of a new model. normal: as in Hugging Face's RoBERTa. positional: attention heads start by \
            attending to a neighboring position, and the output bias starts at the token frequencies.
            """),
        JobSetting(
            "mlm_probability", \.mlmProbability, .number(above: 0, atMost: 1),
            """
            Fraction of the tokens that a model of objective mlm predicts; 80 % of them are masked, 10 % replaced by \
            random tokens and 10 % kept.
            """),
        JobSetting(
            "cut_probability", \.cutProbability, .number(atLeast: 0, atMost: 1),
            """
            Probability that a row of objective mlm is cut at random places into shorter rows, anew in each epoch, so that \
            the model reads single lines as well as paragraphs.
            """),
        JobSetting(
            "input_noise", \.inputNoise, .number(atLeast: 0, below: 1),
            """
            Fraction of the input tokens that are replaced by random tokens if the objective is clm; the tokens to predict \
            stay. Regularizes training on a small corpus.
            """),
        JobSetting(
            "replay", \.replay, .number(atLeast: 0, atMost: 1000),
            """
            Rows of the old text for each row of new text, drawn anew in each epoch, if a run starts from the previous \
            generation (start); at most all rows of the old text.
            """),
        JobSetting(
            "shrink", \.shrink, .number(atLeast: 0, atMost: 1),
            """
            Share of the previous generation's parameters that a run starts with, the rest being those of an untrained model \
            (shrink and perturb); 1 starts with the unmodified generation.
            """),
        JobSetting(
            "min_frequency", \.minFrequency, .integer(atLeast: 1, atMost: largestCount),
            "The tokenizer merges only pairs that occur at least this often."),
        JobSetting(
            "held_out", \.heldOut, .number(above: 0, below: 1),
            """
            Fraction of the samples held out for evaluation, selected by a hash of their text. Samples of more than 2 KiB are \
            divided first.
            """),
    ]

    private static let reporting: [JobSetting<Recipe>] = [
        JobSetting(
            "logging_steps", \.loggingSteps, .integer(atLeast: 1, atMost: largestCount),
            "Steps between two log lines."),
        JobSetting(
            "eval_steps", \.evalSteps, .integer(atLeast: 1, atMost: largestCount),
            "Steps between two evaluations."),
        JobSetting(
            "save_steps", optional: \.saveSteps, .integer(atLeast: 1, atMost: largestCount), or: "null",
            """
            Steps between two checkpoints. null: at least every ten minutes, and every minute if that takes no more than \
            2 % of the time.
            """),
        JobSetting(
            "save_total_limit", \.saveTotalLimit, .integer(atLeast: 1, atMost: largestCount),
            "Checkpoints kept of a run, not counting the best one."),
        JobSetting("seed", \.seed, .unsigned, "Seed of all random choices in the run."),
        JobSetting(
            "sample_prompt", \.samplePrompt, SamplePrompt.format,
            """
            The beginning of the text that a run writes after each evaluation, so that its progress can be read; for a model \
            of objective mlm, a sentence with <mask>. auto: a few words of held-out text. none: no text is written. Everyone who \
            may ask the model can read prompt and text, and they are logged.
            """),
    ]
}
