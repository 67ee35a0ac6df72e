"""What the interface io.kantaibert.Inference gives and takes."""

from __future__ import annotations

from typing import List, TypedDict, Union


class Filling(TypedDict):
    """One candidate for a mask, as transformers' fill-mask pipeline has it."""

    score: float
    token: int
    token_str: str
    sequence: str


class Receipt(TypedDict):
    """What produced an answer, enough to produce it again."""

    model: str
    generation: int
    model_sha256: str
    seed: int


class Score(TypedDict):
    """How likely a model finds a text."""

    log_likelihood: float
    tokens: int
    bits_per_byte: float
    receipt: Receipt


class Sampling(TypedDict, total=False):
    """How the next token is chosen; what is not given, or None, is the service's to decide."""

    max_new_tokens: int | None
    #: 0 always takes the likeliest token.
    temperature: float | None
    top_k: int | None
    top_p: float | None
    min_p: float | None
    repetition_penalty: float | None
    #: The text ends before any of these.
    stop: list[str] | None
    #: The same seed gives the same text.
    seed: int | None


#: Of one text: a list for its only mask, a list of lists where it has several.
Fillings = Union[List[Filling], List[List[Filling]]]
