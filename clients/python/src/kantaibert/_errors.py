"""What the service refuses, as exceptions."""

from __future__ import annotations

from typing import Any


class ProtocolError(Exception):
    """What came over the socket is no Varlink."""


class ServiceError(Exception):
    """An error reply: `name` is its full name, `parameters` what it carries."""

    def __init__(self, name: str, parameters: dict[str, Any]) -> None:
        details = ", ".join(f"{key}: {value}" for key, value in parameters.items())
        super().__init__(f"{name} ({details})" if details else name)
        self.name = name
        self.parameters = parameters


class ModelNotFound(ServiceError):
    """There is no such model; `parameters["available"]` are those there are."""


class NoGeneration(ServiceError):
    """Nothing is trained yet; `parameters["state"]` says what the service is doing about it."""


class NoMask(ServiceError):
    """The text has no `<mask>`."""


class PromptTooLong(ServiceError):
    """The text has more tokens than the model takes."""


class Overloaded(ServiceError):
    """Too much to do; `parameters["retry_after_ms"]` says when to come again."""


_KNOWN: dict[str, type[ServiceError]] = {
    f"io.kantaibert.Inference.{kind.__name__}": kind
    for kind in (ModelNotFound, NoGeneration, NoMask, PromptTooLong, Overloaded)
}


def service_error(name: str, parameters: dict[str, Any]) -> ServiceError:
    return _KNOWN.get(name, ServiceError)(name, parameters)
