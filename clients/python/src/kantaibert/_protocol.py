"""Varlink (https://varlink.org): a JSON object and a zero byte each way. Free of input and output, for both clients."""

from __future__ import annotations

import json
import os
import socket
import stat
import struct
from typing import Any

from ._errors import ProtocolError, service_error

#: Bytes a reply may have.
REPLY_LIMIT = 256 << 20


def socket_path(path: str | None) -> str:
    """The socket that is meant where none is named: $KANTAIBERT_SOCKET, the system's, that of a ./var of this user's own.

    Raises PermissionError where there is a ./var/io.kantaibert that is somebody else's, or others may write in ./var.
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
        raise PermissionError(f"{local} is not used, as {reason}; where it is meant all the same, name it")
    return local


def _distrusted(folder: str) -> str | None:
    """Why a folder's socket may be somebody else's trap."""
    try:
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as problem:
        return f"{folder} is no folder of yours: {problem.strerror}"
    try:
        found = os.fstat(opened)
        if found.st_uid != os.geteuid():
            return f"{folder} belongs to another user"
        if found.st_mode & 0o022:
            return f"others may write in {folder}"
        found = os.stat("io.kantaibert", dir_fd=opened, follow_symlinks=False)
        if not stat.S_ISSOCK(found.st_mode) or found.st_uid != os.geteuid():
            return "it is no socket of yours"
    finally:
        os.close(opened)
    return None


def check_server(connected: Any, path: str) -> None:
    """Raises PermissionError unless root, this user or the owner of the path, or of its folder, listens there."""
    credentials = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    user = struct.unpack("3i", credentials)[1]
    folder = os.path.dirname(path) or "."
    if user not in (0, os.geteuid(), os.stat(path).st_uid, os.stat(folder).st_uid):
        raise PermissionError(f"{path} is not used, as user {user} answers there, who is not its owner")


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
