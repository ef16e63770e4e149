"""The servers that the tests of python-socketio's documented API run on: the stock one, and Roomcast's.

Stock python-socketio passes every test, or `UPSTREAM_BUGS` and `SKIPPED_ON_STOCK` give the reason.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
from collections.abc import Callable
from typing import Any

import socketio

RELEASE = tuple(int(number) for number in importlib.metadata.version("python-socketio").split(".")[:2])
"""The release of python-socketio: the tests run on the oldest and on the newest that is supported."""


def _stock(**options: Any) -> Any:
    return socketio.AsyncServer(async_mode="aiohttp", **options)


def _roomcast(**options: Any) -> Any:
    return importlib.import_module("roomcast.rooms.server").SocketIOServer(**options)


def redis_manager(server_type: str, url: str) -> Any:
    """Make a client manager that also emits events from Redis. Roomcast's is combined with stock's by inheritance."""
    if server_type == "stock":
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
"""Tests that fail on every server because of a bug of python-socketio, with the reason."""

SKIPPED_ON_STOCK = {
    "test_large_event_arrives_complete_in_both_directions[stock-polling]": (
        "engineio reads a POST by one `StreamReader.read`, which returns what has come so far"
    ),
}
"""Tests whose outcome on stock python-socketio depends on timing, with the reason."""
