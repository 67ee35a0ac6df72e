import Varlink

/// Answers from the models that serve.
///
/// The types say what `io.kantaibert.Inference.varlink` beside this file says, under the same names in camel case; a test compares them.
public enum InferenceInterface {
    public static let name = "io.kantaibert.Inference"

    /// The interface's errors, for a client that wants them typed.
    public static let errors: [any VarlinkErrorReply.Type] = [
        ModelNotFound.self, NoGeneration.self, NoMask.self, PromptTooLong.self, Overloaded.self,
    ]

    /// The text of `io.kantaibert.Inference.varlink`.
    public static let description = """
        # Answers from the models that serve.
        interface io.kantaibert.Inference

        # How the next token is chosen. An absent field takes the service's default; temperature 0 is greedy.
        type Sampling (
          max_new_tokens: ?int,
          temperature: ?float,
          top_k: ?int,
          top_p: ?float,
          min_p: ?float,
          repetition_penalty: ?float,
          stop: ?[]string,
          seed: ?int
        )

        # What produced an answer, enough to produce it again.
        type Receipt (
          model: string,
          generation: int,
          model_sha256: string,
          seed: int
        )

        # One candidate for a mask, with the fields of the Hugging Face fill-mask pipeline.
        type Filling (
          score: float,
          token: int,
          token_str: string,
          sequence: string
        )

        type Mask (fillings: []Filling)

        # One entry of `masks` for each <mask> in `text`, in order. `targets` restricts the candidates to these words.
        method FillMask(text: string, model: ?string, top_k: ?int, targets: ?[]string) -> (
          masks: []Mask,
          receipt: Receipt
        )

        # Called with `more`, replies with each piece of text as it is made; the last reply has `finish_reason`, the counts
        # and the receipt. Called without, replies once with the whole text. Closing the connection cancels.
        method Generate(prompt: string, model: ?string, sampling: ?Sampling) -> (
          text: string,
          finish_reason: ?(stop, length, end),
          prompt_tokens: ?int,
          generated_tokens: ?int,
          receipt: ?Receipt
        )

        # How likely the model finds the text: log-likelihood for a causal model, pseudo-log-likelihood for a masked one.
        method Score(text: string, model: ?string) -> (
          log_likelihood: float,
          tokens: int,
          bits_per_byte: float,
          receipt: Receipt
        )

        method Tokenize(text: string, model: ?string) -> (ids: []int, tokens: []string)

        method Detokenize(ids: []int, model: ?string) -> (text: string)

        error ModelNotFound (model: string, available: []string)
        # Nothing is trained yet; `state` says what the service is doing about it.
        error NoGeneration (model: string, state: string)
        error NoMask (text: string)
        error PromptTooLong (tokens: int, limit: int)
        error Overloaded (retry_after_ms: int)

        """
}
