"""The servers that the checks of python-socketio's documented API run on: the stock one, and Roomcast's.

Whatever a check asks for, stock python-socketio gives, or `FAULTS` and `NOT_TRIED_ON_STOCK` say why not.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
from collections.abc import Callable
from typing import Any

import socketio

RELEASE = tuple(int(number) for number in importlib.metadata.version("python-socketio").split(".")[:2])
"""Of python-socketio: the checks run on the oldest and on the newest that is supported."""


def _stock(**options: Any) -> Any:
    return socketio.AsyncServer(async_mode="aiohttp", **options)


def _roomcast(**options: Any) -> Any:
    return importlib.import_module("roomcast.rooms.server").Server(**options)


def redis_manager(kind: str, url: str) -> Any:
    """A client manager that also emits what comes by Redis; Roomcast's is combined with stock's by inheritance."""
    if kind == "stock":
        return socketio.AsyncRedisManager(url)
    ours = importlib.import_module("roomcast.rooms.manager").Manager
    return type("RedisManager", (ours, socketio.AsyncRedisManager), {})(url)


SERVERS: dict[str, Callable[..., Any]] = {"stock": _stock}
if importlib.util.find_spec("roomcast.rooms"):
    SERVERS["roomcast"] = _roomcast

UPSTREAM_BUGS = {
    "test_first_admin_socket_gets_the_list_of_sockets": (
        "`config` in socketio.async_admin reuses the name `sid`, so the list goes to the last socket that it holds"
    ),
}
"""Names of the checks that fail whatever the server, by a fault of python-socketio's own, each with the reason."""

SKIPPED_ON_STOCK = {
    "test_large_event_arrives_complete_in_both_directions[stock-polling]": (
        "engineio reads a POST by one `StreamReader.read`, which returns what has come so far"
    ),
}
"""Names of checks, or of cases of them, whose outcome on stock python-socketio depends on timing."""
