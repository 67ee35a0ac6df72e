import Varlink

/// Corpora, training runs and generations of models.
///
/// The types say what `io.kantaibert.Manager.varlink` beside this file says, under the same names in camel case; a test compares them.
public enum ManagerInterface {
    public static let name = "io.kantaibert.Manager"

    /// The interface's errors, for a client that wants them typed.
    public static let errors: [any VarlinkErrorReply.Type] = [
        ModelNotFound.self, RunNotFound.self, CorpusNotFound.self, GenerationNotFound.self, NothingToTrain.self,
        TensorNotFound.self, ImportRefused.self, TransferFailed.self, TooManyTransfers.self, Overloaded.self,
    ]

    /// The text of `io.kantaibert.Manager.varlink`.
    public static let description = """
        # Corpora, training runs and generations of models.
        interface io.kantaibert.Manager

        type Model (
          name: string,
          objective: (mlm, clm),
          # The generation that serves, or null before the first one.
          generation: ?int,
          parameters: ?int,
          vocab_size: ?int,
          bits_per_byte: ?float,
          evaluation_loss: ?float,
          next_training: ?string,
          state: (idle, waiting, training, failed),
          # What is waited for, or why nothing is trained; null while it is.
          reason: ?string
        )

        type Corpus (
          sha256: string,
          name: string,
          bytes: int,
          documents: int,
          state: (admitted, duplicate, rejected, removed, set_aside),
          reason: ?string,
          received: string,
          models: []string
        )

        # How many there are in each state.
        type CorpusCounts (admitted: int, duplicate: int, rejected: int, removed: int, set_aside: int)

        type Run (
          id: string,
          model: string,
          generation: ?int,
          state: (queued, running, interrupted, finished, failed, cancelled),
          reason: ?string,
          step: int,
          total_steps: int,
          epoch: float,
          loss: ?float,
          evaluation_loss: ?float,
          tokens_per_second: ?float,
          remaining_seconds: ?float,
          started: ?string,
          finished: ?string
        )

        type Generation (
          model: string,
          number: int,
          run: string,
          state: (candidate, serving, retired, rejected),
          model_sha256: string,
          evaluation_loss: ?float,
          bits_per_byte: ?float,
          created: string,
          # At the gate: bits a byte on the same held-out lines, of this one and of the generation that served then.
          judged_bits_per_byte: ?float,
          incumbent: ?int,
          incumbent_bits_per_byte: ?float,
          # Why it may serve, or may not.
          reason: ?string
        )

        type StepMetric (
          step: int,
          epoch: float,
          loss: float,
          learning_rate: float,
          gradient_norm: float,
          tokens: int,
          tokens_per_second: float,
          time: string,
          # Model FLOPs utilization, 0 to 1; null of steps that were recorded without.
          mfu: ?float
        )

        type Evaluation (
          step: int,
          loss: float,
          perplexity: float,
          accuracy: ?float,
          bits_per_byte: ?float,
          time: string
        )

        type Parameter (name: string, shape: []int, count: int)

        # Something that was looked at; `advice` says what to do about a warning.
        type Check (name: string, state: (ok, warning), finding: string, advice: ?string)

        type Event (
          kind: string,
          message: string,
          model: ?string,
          run: ?string,
          corpus: ?string,
          fields: object,
          time: string
        )

        method GetStatus() -> (
          version: string,
          uptime_seconds: float,
          models: []Model,
          run: ?Run,
          # The next hundred of those that wait.
          queued: []Run,
          inbox_pending: int,
          resources: object
        )

        method ListModels() -> (models: []Model)

        # Lists come in pages of at most `limit` rows, 1000 where it is null or more, and about a megabyte. Where there are more,
        # `next` is not null: the same call with it as `after` gives the next page.

        # In the order they came, or the newest first. `counts`, of all there are, comes with the first page.
        method ListCorpora(state: ?string, limit: ?int, after: ?string, newest_first: ?bool) -> (
          corpora: []Corpus,
          next: ?string,
          counts: ?CorpusCounts
        )

        # The newest first.
        method ListRuns(model: ?string, limit: ?int, after: ?string) -> (runs: []Run, next: ?string)

        # The newest first.
        method ListGenerations(model: string, limit: ?int, after: ?string) -> (generations: []Generation, next: ?string)

        # What came after `after_step`. Here `limit` is 4000 where it is null or more, and `next` the next `after_step`.
        method GetMetrics(run: string, after_step: ?int, limit: ?int) -> (
          steps: []StepMetric,
          evaluations: []Evaluation,
          next: ?int
        )

        # Needs `more`: every event from now on; `run` narrows it. The last reply, without `continues`, is `service_stopping`.
        method Watch(run: ?string) -> (event: Event)

        # Starts a run now, whatever the schedule says. Without `force`, only where there is something new to learn from.
        method Train(model: ?string, force: ?bool) -> (runs: []string)
        method CancelRun(run: string) -> ()

        # Takes a corpus out of every training that begins from now on; its text goes when no run needs it.
        method RemoveCorpus(sha256: string) -> ()

        # Makes an existing generation the one that serves: also the way back.
        method Promote(model: string, generation: int) -> ()

        # The tensors of the generation that serves, in Hugging Face's order.
        method Describe(model: string) -> (
          parameters: []Parameter,
          total: int,
          configuration: object,
          generation: ?int,
          # Where it lies, a Hugging Face model directory that the service's user and root can read; others use Export.
          directory: ?string
        )

        # The numbers of one of these tensors: statistics over those that are finite, and its corners, the `values` at `rows` and
        # `columns` of the tensor seen as a matrix, row after row; null where one is not finite.
        method DescribeTensor(model: string, name: string) -> (
          shape: []int,
          type: string,
          minimum: float,
          maximum: float,
          mean: float,
          standard_deviation: float,
          zeros: int,
          not_finite: int,
          rows: []int,
          columns: []int,
          values: []?float
        )

        # What the machine has and how fast it is. Takes a second or two: products and memory are measured.
        method Doctor() -> (checks: []Check)

        # Makes a RoBERTa directory that transformers wrote a generation of the model. For administrators; needs `more`. `files` are
        # names out of config.json, model.safetensors, tokenizer.json, vocab.json, merges.txt, tokenizer_config.json,
        # special_tokens_map.json and training_args.json, and the service opens none of them: the first reply has in `transfer` the
        # path of a Unix socket that takes one connection, of the caller's user, within 30 seconds. Over it the caller sends one byte
        # and with it, as SCM_RIGHTS, a descriptor for each name, in their order, of regular files that are open for reading. The
        # second reply has in `bytes` how many the service has copied, the last one the generation: a candidate at first, where
        # something serves that it is to be held against. Closing the connection cancels.
        method Import(model: string, files: []string) -> (
          transfer: ?string,
          bytes: ?int,
          generation: ?int,
          model_sha256: ?string,
          parameters: ?int
        )

        # The files of the generation that serves. For administrators; needs `more`. They come as descriptors that are open for
        # reading, one for each of `files`, in their order, with the one byte that the service sends over the socket in `transfer` to
        # the caller's user, who connects within 30 seconds. The last reply, without `transfer`, follows when they are sent.
        method Export(model: string) -> (transfer: ?string, generation: int, files: []string)

        error ModelNotFound (model: string, available: []string)
        error RunNotFound (run: string)
        error CorpusNotFound (sha256: string)
        error GenerationNotFound (model: string, generation: int)
        error NothingToTrain (model: string, reason: string)
        error TensorNotFound (model: string, name: string)
        # `reason` names the file and what is wrong with it.
        error ImportRefused (reason: string)
        # No descriptors were passed; `reason` says why.
        error TransferFailed (reason: string)
        # So many imports and exports are under way already.
        error TooManyTransfers (limit: int)
        # This user, or all together, have as many questions waiting as may be.
        error Overloaded (retry_after_ms: int)

        """
}
