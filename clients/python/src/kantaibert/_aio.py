"""The asyncio client."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, AsyncIterator, overload

from . import _methods
from ._errors import ProtocolError
from ._methods import Answer, Call, Generation
from ._protocol import REPLY_LIMIT, check_server, decode_reply, socket_path
from ._types import Fillings, Sampling, Score

if TYPE_CHECKING:
    from typing_extensions import Unpack


class _Connection:
    """A connection for one call and its replies."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def calling(cls, path: str, call: bytes) -> _Connection:
        reader, writer = await asyncio.open_unix_connection(path, limit=REPLY_LIMIT)
        try:
            check_server(writer.get_extra_info("socket"), path)
        except BaseException:
            writer.close()
            raise
        writer.write(call)
        await writer.drain()
        return cls(reader, writer)

    async def reply(self) -> tuple[dict[str, Any], bool]:
        try:
            message = await self._reader.readuntil(b"\0")
        except asyncio.IncompleteReadError as problem:
            raise ConnectionError("the service closed the connection before replying") from problem
        except asyncio.LimitOverrunError as problem:
            raise ProtocolError(f"the reply is larger than {REPLY_LIMIT} bytes") from problem
        return decode_reply(message[:-1])

    def close(self) -> None:
        self._writer.close()


class AsyncStream(Generation, AsyncIterator[str]):
    """Like `Stream`, for `async for`."""

    def __init__(self, path: str, call: bytes) -> None:
        self._path = path
        self._call: bytes | None = call
        self._connection: _Connection | None = None

    def __aiter__(self) -> AsyncStream:
        return self

    async def __anext__(self) -> str:
        if self._call is not None:
            call, self._call = self._call, None
            self._connection = await _Connection.calling(self._path, call)
        while self._connection is not None:
            try:
                reply, continues = await self._connection.reply()
            except BaseException:
                self.close()
                raise
            piece = self._take(reply, continues)
            if not continues:
                self.close()
            if piece:
                return piece
        raise StopAsyncIteration

    def close(self) -> None:
        """Cancels the generation."""
        self._call = None
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class AsyncClient:
    """Like `Client`, for asyncio."""

    def __init__(self, path: str | None = None) -> None:
        self.path = socket_path(path)

    @overload
    async def fill_mask(
        self, text: str, *, model: str | None = None, top_k: int | None = None, targets: list[str] | None = None
    ) -> Fillings: ...

    @overload
    async def fill_mask(
        self, text: list[str], *, model: str | None = None, top_k: int | None = None, targets: list[str] | None = None
    ) -> list[Fillings]: ...

    async def fill_mask(
        self,
        text: str | list[str],
        *,
        model: str | None = None,
        top_k: int | None = None,
        targets: list[str] | None = None,
    ) -> Fillings | list[Fillings]:
        """Returns the candidates for each `<mask>`. Several texts are requested concurrently."""
        if not isinstance(text, str):
            asked = [self.fill_mask(one, model=model, top_k=top_k, targets=targets) for one in text]
            return list(await asyncio.gather(*asked))
        return await self._answer(_methods.fill_mask(text, model=model, top_k=top_k, targets=targets))

    def generate(self, prompt: str, *, model: str | None = None, **sampling: Unpack[Sampling]) -> AsyncStream:
        """Streams a continuation of the text. `Sampling` lists the options: temperature, seed and so on."""
        call = _methods.generate(prompt, model=model, **sampling)
        return AsyncStream(self.path, call)

    async def score(self, text: str, *, model: str | None = None) -> Score:
        """Returns the log-likelihood of a text (for a masked model, the pseudo-log-likelihood)."""
        return await self._answer(_methods.score(text, model=model))

    async def tokenize(self, text: str, *, model: str | None = None) -> list[int]:
        return await self._answer(_methods.tokenize(text, model=model))

    async def detokenize(self, ids: list[int], *, model: str | None = None) -> str:
        return await self._answer(_methods.detokenize(ids, model=model))

    async def _answer(self, call: Call[Answer]) -> Answer:
        connection = await _Connection.calling(self.path, call.message)
        try:
            return call.answer((await connection.reply())[0])
        finally:
            connection.close()
