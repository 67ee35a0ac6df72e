import Jobs
import Models

extension RobertaConfiguration {
    /// Creates the configuration of a model of `architecture`, whose numbers have all been chosen.
    /// - Parameter rows: the rows of the word embedding
    /// - Throws: `JobError` if a number is missing, or no model can have the architecture
    public init(_ architecture: Architecture, rows: Int, objective: Objective) throws(JobError) {
        func chosen<Value>(_ value: Value?, _ key: String) throws(JobError) -> Value {
            guard let value else { throw JobError(key: "architecture.\(key)", expected: "a number", found: "null") }
            return value
        }
        self.init(
            vocabSize: rows, hiddenSize: try chosen(architecture.hiddenSize, "hidden_size"),
            numHiddenLayers: try chosen(architecture.numHiddenLayers, "num_hidden_layers"),
            numAttentionHeads: try chosen(architecture.numAttentionHeads, "num_attention_heads"),
            intermediateSize: try chosen(architecture.intermediateSize, "intermediate_size"),
            maxPositionEmbeddings: architecture.maxPositionEmbeddings, isDecoder: objective == .clm,
            hiddenDropoutProb: try chosen(architecture.hiddenDropoutProb, "hidden_dropout_prob"),
            attentionProbsDropoutProb: try chosen(
                architecture.attentionProbsDropoutProb, "attention_probs_dropout_prob"),
            initializerRange: architecture.initializerRange, layerNormEps: architecture.layerNormEps)
        if let failureReason {
            throw JobError(key: "architecture", expected: "a valid model configuration", found: failureReason)
        }
    }
}

extension Job {
    /// Returns the rows of the word embedding, at least one for each token.
    func embeddingRows(tokenizerVocabulary: Int) throws(JobError) -> Int {
        let rows = architecture.vocabSize ?? (tokenizerVocabulary + 63) & ~63
        guard rows >= tokenizerVocabulary else {
            throw JobError(
                key: "architecture.vocab_size",
                expected: "at least \(tokenizerVocabulary), the tokenizer's vocabulary size",
                found: "\(rows)")
        }
        return rows
    }
}
