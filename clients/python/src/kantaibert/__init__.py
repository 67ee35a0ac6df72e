"""Asks the models of kantaibertd over its Varlink socket. Only the standard library is needed."""

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
