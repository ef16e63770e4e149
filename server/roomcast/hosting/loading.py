"""Import an ASGI application by its name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from importlib import import_module
from typing import Any

from roomcast.errors import RoomcastError

AsgiMessage = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[AsgiMessage]]
Send = Callable[[AsgiMessage], Awaitable[None]]
AsgiApplication = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]


def load_asgi(application: str | AsgiApplication) -> AsgiApplication:
    """Return an ASGI application, which may be named as `module:attribute`. Raise `RoomcastError` if there is none."""
    if not isinstance(application, str):
        return application
    module, _, attribute = application.partition(":")
    if not module or not attribute:
        raise RoomcastError(f"The ASGI application {application!r} must be named as module:attribute.")
    try:
        found: Any = import_module(module)
    except ModuleNotFoundError as error:
        raise RoomcastError(f"The ASGI application {application} cannot be imported: {error}.") from error
    for name in attribute.split("."):
        found = getattr(found, name, None)
    if not callable(found):
        raise RoomcastError(f"The module {module} has no ASGI application {attribute!r}.")
    loaded: AsgiApplication = found
    return loaded
