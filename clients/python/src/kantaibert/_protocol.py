"""Varlink (https://varlink.org): a JSON object and a zero byte each way. Free of input and output, for both clients."""

from __future__ import annotations

import json
import os
from typing import Any

from ._errors import ProtocolError, service_error

#: Bytes a reply may have.
REPLY_LIMIT = 256 << 20


def socket_path(path: str | None) -> str:
    """The socket that is meant where none is named: $KANTAIBERT_SOCKET, the system's, that of ./var."""
    if path is not None:
        return path
    named = os.environ.get("KANTAIBERT_SOCKET")
    if named:
        return named
    system, local = "/run/kantaibert/io.kantaibert", "./var/io.kantaibert"
    return local if not os.path.exists(system) and os.path.exists(local) else system


def encode_call(method: str, parameters: dict[str, Any], more: bool = False) -> bytes:
    """A call of `io.kantaibert.Inference.<method>`; parameters that are None are left to the service."""
    call: dict[str, Any] = {
        "method": f"io.kantaibert.Inference.{method}",
        "parameters": {key: value for key, value in parameters.items() if value is not None},
    }
    if more:
        call["more"] = True
    return json.dumps(call).encode() + b"\0"


def decode_reply(message: bytes) -> tuple[dict[str, Any], bool]:
    """The reply's parameters, and whether more replies follow. Raises the error it may be instead."""
    try:
        reply = json.loads(message)
        parameters = reply.get("parameters") or {}
        error, continues = reply.get("error"), bool(reply.get("continues", False))
    except (ValueError, AttributeError) as problem:
        raise ProtocolError(f"no reply of Varlink: {message[:80]!r}") from problem
    if error is not None:
        raise service_error(error, parameters)
    return parameters, continues
