"""The methods of io.kantaibert.Inference: encoding of calls and decoding of replies, for both clients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable, Generic, List, TypeVar, cast

from ._protocol import encode_call
from ._types import Fillings, Receipt, Sampling, Score

if TYPE_CHECKING:
    from typing_extensions import Unpack

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Call(Generic[Answer]):
    """An encoded call, and the function that converts the parameters of its reply to the result."""

    message: bytes
    answer: Callable[[dict[str, Any]], Answer]


def fill_mask(text: str, *, model: str | None, top_k: int | None, targets: list[str] | None) -> Call[Fillings]:
    def as_pipeline(reply: dict[str, Any]) -> Fillings:
        masks = [mask["fillings"] for mask in reply["masks"]]
        return masks[0] if len(masks) == 1 else masks

    parameters = {"text": text, "model": model, "top_k": top_k, "targets": targets}
    return Call(encode_call("FillMask", parameters), as_pipeline)


def score(text: str, *, model: str | None) -> Call[Score]:
    return Call(encode_call("Score", {"text": text, "model": model}), lambda reply: cast(Score, reply))


def tokenize(text: str, *, model: str | None) -> Call[list[int]]:
    return Call(encode_call("Tokenize", {"text": text, "model": model}), lambda reply: cast(List[int], reply["ids"]))


def detokenize(ids: list[int], *, model: str | None) -> Call[str]:
    return Call(encode_call("Detokenize", {"ids": ids, "model": model}), lambda reply: cast(str, reply["text"]))


def generate(prompt: str, *, model: str | None, **sampling: Unpack[Sampling]) -> bytes:
    """Encodes the call. `Generation` decodes the replies."""
    unknown = sampling.keys() - Sampling.__annotations__.keys()
    if unknown:
        raise TypeError(f"generate() got an unexpected keyword argument {min(unknown)!r}")
    chosen = {key: value for key, value in sampling.items() if value is not None}
    return encode_call("Generate", {"prompt": prompt, "model": model, "sampling": chosen or None}, more=True)


class Generation:
    """The results of a generation, set after its last piece."""

    finish_reason: str | None = None
    prompt_tokens: int | None = None
    generated_tokens: int | None = None
    receipt: Receipt | None = None

    def _take(self, reply: dict[str, Any], continues: bool) -> str:
        """Returns the piece of text in a reply, and stores the results in the last reply."""
        if not continues:
            self.finish_reason = reply.get("finish_reason")
            self.prompt_tokens = reply.get("prompt_tokens")
            self.generated_tokens = reply.get("generated_tokens")
            self.receipt = reply.get("receipt")
        return cast(str, reply["text"])
