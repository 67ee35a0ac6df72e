"""The types of the interface io.kantaibert.Inference."""

from __future__ import annotations

from typing import List, TypedDict, Union


class Filling(TypedDict):
    """One candidate for a mask, in the format of transformers' fill-mask pipeline."""

    score: float
    token: int
    token_str: str
    sequence: str


class Receipt(TypedDict):
    """Identifies how a result was produced, so that it can be reproduced."""

    model: str
    generation: int
    model_sha256: str
    seed: int


class Score(TypedDict):
    """The likelihood of a text."""

    log_likelihood: float
    tokens: int
    bits_per_byte: float
    receipt: Receipt


class Sampling(TypedDict, total=False):
    """Sampling options. The service's settings apply to those that are missing or None."""

    max_new_tokens: int | None
    #: 0 always picks the most likely token.
    temperature: float | None
    top_k: int | None
    top_p: float | None
    min_p: float | None
    repetition_penalty: float | None
    #: Generation ends before any of these strings.
    stop: list[str] | None
    #: The same seed generates the same text.
    seed: int | None


#: The candidates of one text: a list if it has one mask, a list of lists if it has several.
Fillings = Union[List[Filling], List[List[Filling]]]
