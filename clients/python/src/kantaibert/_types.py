"""What the interface io.kantaibert.Inference gives and takes."""

from __future__ import annotations

from typing import Any, List, TypedDict, Union


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


#: Of one text: a list for its only mask, a list of lists where it has several.
Fillings = Union[List[Filling], List[List[Filling]]]


def as_pipeline(reply: dict[str, Any]) -> Fillings:
    """The reply to FillMask in the form of the pipeline."""
    masks: list[list[Filling]] = [mask["fillings"] for mask in reply["masks"]]
    return masks[0] if len(masks) == 1 else masks
