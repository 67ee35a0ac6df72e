"""The blocking client."""

from __future__ import annotations

import socket
from types import TracebackType
from typing import TYPE_CHECKING, Any, Iterator, overload

from . import _methods
from ._errors import ProtocolError
from ._methods import Answer, Call, Generation
from ._protocol import REPLY_LIMIT, check_server, decode_reply, socket_path
from ._types import Fillings, Sampling, Score

if TYPE_CHECKING:
    from typing_extensions import Unpack


class _Connection:
    """A connection for one call and its replies."""

    def __init__(self, path: str, call: bytes, timeout: float | None) -> None:
        self._buffer = bytearray()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.settimeout(timeout)
            self._socket.connect(path)
            check_server(self._socket, path)
            self._socket.sendall(call)
        except BaseException:
            self._socket.close()
            raise

    def reply(self) -> tuple[dict[str, Any], bool]:
        searched = 0
        while (end := self._buffer.find(0, searched)) < 0:
            searched = len(self._buffer)
            if searched > REPLY_LIMIT:
                raise ProtocolError(f"the reply is larger than {REPLY_LIMIT} bytes")
            piece = self._socket.recv(1 << 16)
            if not piece:
                raise ConnectionError("the service closed the connection before replying")
            self._buffer += piece
        message = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return decode_reply(message)

    def close(self) -> None:
        self._socket.close()


class Stream(Generation, Iterator[str]):
    """The pieces of a text as they are generated. `close`, or leaving the `with` block, cancels the generation.

    After the last piece, `finish_reason`, `prompt_tokens`, `generated_tokens` and `receipt` are set.
    """

    def __init__(self, connection: _Connection) -> None:
        self._connection: _Connection | None = connection

    def __iter__(self) -> Stream:
        return self

    def __next__(self) -> str:
        while self._connection is not None:
            try:
                reply, continues = self._connection.reply()
            except BaseException:
                self.close()
                raise
            piece = self._take(reply, continues)
            if not continues:
                self.close()
            if piece:
                return piece
        raise StopIteration

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __enter__(self) -> Stream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()


class Client:
    """A client of the service. Each call uses its own connection, so a client can be used from several threads."""

    def __init__(self, path: str | None = None, timeout: float | None = None) -> None:
        """
        path: the socket; by default $KANTAIBERT_SOCKET, /run/kantaibert/io.kantaibert or the user's own ./var/io.kantaibert
        timeout: seconds to wait for a reply or the next piece of a stream; None waits forever
        """
        self.path = socket_path(path)
        self.timeout = timeout

    @overload
    def fill_mask(
        self, text: str, *, model: str | None = None, top_k: int | None = None, targets: list[str] | None = None
    ) -> Fillings: ...

    @overload
    def fill_mask(
        self, text: list[str], *, model: str | None = None, top_k: int | None = None, targets: list[str] | None = None
    ) -> list[Fillings]: ...

    def fill_mask(
        self,
        text: str | list[str],
        *,
        model: str | None = None,
        top_k: int | None = None,
        targets: list[str] | None = None,
    ) -> Fillings | list[Fillings]:
        """Returns the candidates for each `<mask>`, in the format of transformers' fill-mask pipeline."""
        if not isinstance(text, str):
            return [self.fill_mask(one, model=model, top_k=top_k, targets=targets) for one in text]
        return self._answer(_methods.fill_mask(text, model=model, top_k=top_k, targets=targets))

    def generate(self, prompt: str, *, model: str | None = None, **sampling: Unpack[Sampling]) -> Stream:
        """Streams a continuation of the text. `Sampling` lists the options: temperature, seed and so on."""
        call = _methods.generate(prompt, model=model, **sampling)
        return Stream(_Connection(self.path, call, self.timeout))

    def score(self, text: str, *, model: str | None = None) -> Score:
        """Returns the log-likelihood of a text (for a masked model, the pseudo-log-likelihood)."""
        return self._answer(_methods.score(text, model=model))

    def tokenize(self, text: str, *, model: str | None = None) -> list[int]:
        return self._answer(_methods.tokenize(text, model=model))

    def detokenize(self, ids: list[int], *, model: str | None = None) -> str:
        return self._answer(_methods.detokenize(ids, model=model))

    def _answer(self, call: Call[Answer]) -> Answer:
        connection = _Connection(self.path, call.message, self.timeout)
        try:
            return call.answer(connection.reply()[0])
        finally:
            connection.close()
