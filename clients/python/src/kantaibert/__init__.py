"""Client of kantaibertd's models over its Varlink socket. Needs only the standard library."""

from ._aio import AsyncClient, AsyncStream
from ._client import Client, Stream
from ._errors import (
    ModelNotFound,
    NoGeneration,
    NoMask,
    Overloaded,
    PromptTooLong,
    ProtocolError,
    ServiceError,
)
from ._types import Filling, Receipt, Sampling, Score

__all__ = [
    "AsyncClient",
    "AsyncStream",
    "Client",
    "Filling",
    "ModelNotFound",
    "NoGeneration",
    "NoMask",
    "Overloaded",
    "PromptTooLong",
    "ProtocolError",
    "Receipt",
    "Sampling",
    "Score",
    "ServiceError",
    "Stream",
]
