"""Error replies of the service as exceptions."""

from __future__ import annotations

from typing import Any


class ProtocolError(Exception):
    """The data received from the socket is not valid Varlink."""


class ServiceError(Exception):
    """An error reply with its full `name` and `parameters`."""

    def __init__(self, name: str, parameters: dict[str, Any]) -> None:
        details = ", ".join(f"{key}: {value}" for key, value in parameters.items())
        super().__init__(f"{name} ({details})" if details else name)
        self.name = name
        self.parameters = parameters


class ModelNotFound(ServiceError):
    """The model does not exist; `parameters["available"]` lists the existing ones."""


class NoGeneration(ServiceError):
    """The model has not been trained yet; `parameters["state"]` describes what the service is doing about it."""


class NoMask(ServiceError):
    """The text has no `<mask>`."""


class PromptTooLong(ServiceError):
    """The text has more tokens than the model supports."""


class Overloaded(ServiceError):
    """The service is overloaded; `parameters["retry_after_ms"]` is when to try again."""


_KNOWN: dict[str, type[ServiceError]] = {
    f"io.kantaibert.Inference.{kind.__name__}": kind
    for kind in (ModelNotFound, NoGeneration, NoMask, PromptTooLong, Overloaded)
}


def service_error(name: str, parameters: dict[str, Any]) -> ServiceError:
    return _KNOWN.get(name, ServiceError)(name, parameters)
