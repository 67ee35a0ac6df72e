"""Varlink messages (https://varlink.org): JSON objects, each followed by a zero byte. Without I/O, for both clients."""

from __future__ import annotations

import json
import os
import socket
import stat
import struct
from typing import Any

from ._errors import ProtocolError, service_error

#: Maximum size of a reply in bytes.
REPLY_LIMIT = 256 << 20


def socket_path(path: str | None) -> str:
    """Returns the default socket: $KANTAIBERT_SOCKET, the system's, or the one in the user's own ./var.

    Raises PermissionError if ./var/io.kantaibert belongs to another user, or other users can write to ./var.
    """
    if path is not None:
        return path
    named = os.environ.get("KANTAIBERT_SOCKET")
    if named:
        return named
    system, folder = "/run/kantaibert/io.kantaibert", "./var"
    local = f"{folder}/io.kantaibert"
    if os.path.exists(system) or not os.path.lexists(local):
        return system
    if reason := _distrusted(folder):
        raise PermissionError(f"{local} is not trusted: {reason}; to use it anyway, pass its path")
    return local


def _distrusted(folder: str) -> str | None:
    """Returns why the socket of a folder cannot be trusted, or None."""
    try:
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as problem:
        return f"{folder} cannot be opened as a folder: {problem.strerror}"
    try:
        found = os.fstat(opened)
        if found.st_uid != os.geteuid():
            return f"{folder} belongs to another user"
        if found.st_mode & 0o022:
            return f"other users can write to {folder}"
        found = os.stat("io.kantaibert", dir_fd=opened, follow_symlinks=False)
        if not stat.S_ISSOCK(found.st_mode) or found.st_uid != os.geteuid():
            return "it is not a socket of yours"
    finally:
        os.close(opened)
    return None


def check_server(connected: Any, path: str) -> None:
    """Raises PermissionError unless the server is root, this user, or the owner of the socket or its folder."""
    credentials = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    user = struct.unpack("3i", credentials)[1]
    folder = os.path.dirname(path) or "."
    if user not in (0, os.geteuid(), os.stat(path).st_uid, os.stat(folder).st_uid):
        raise PermissionError(f"{path} is not trusted: it is served by user {user}, who is not its owner")


def encode_call(method: str, parameters: dict[str, Any], more: bool = False) -> bytes:
    """Encodes a call of `io.kantaibert.Inference.<method>`. Parameters that are None are omitted."""
    call: dict[str, Any] = {
        "method": f"io.kantaibert.Inference.{method}",
        "parameters": {key: value for key, value in parameters.items() if value is not None},
    }
    if more:
        call["more"] = True
    return json.dumps(call).encode() + b"\0"


def decode_reply(message: bytes) -> tuple[dict[str, Any], bool]:
    """Returns the parameters of a reply, and whether more replies follow. Raises an error reply as an exception."""
    try:
        reply = json.loads(message)
        parameters = reply.get("parameters") or {}
        error, continues = reply.get("error"), bool(reply.get("continues", False))
    except (ValueError, AttributeError) as problem:
        raise ProtocolError(f"not a Varlink reply: {message[:80]!r}") from problem
    if error is not None:
        raise service_error(error, parameters)
    return parameters, continues
