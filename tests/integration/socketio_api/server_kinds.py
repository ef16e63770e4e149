"""The servers that the checks of python-socketio's documented API run on: the stock one, and Roomcast's.

Whatever a check asks for, stock python-socketio gives, or `FAILED_BY_STOCK` says why not.
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
    return importlib.import_module("server.rooms.server").Server(**options)


SERVERS: dict[str, Callable[..., Any]] = {"stock": _stock}
if importlib.util.find_spec("server.rooms"):
    SERVERS["roomcast"] = _roomcast

FAILED_BY_STOCK = {
    "test_the_admin_who_came_first_gets_the_list_of_sockets": (
        "`config` in socketio.async_admin reuses the name `sid`, so the list goes to the last socket that it holds"
    ),
}
"""Names of the checks that stock python-socketio does not pass, each with the reason."""

NOT_TRIED_ON_STOCK = {
    "test_a_large_event_arrives_whole_both_ways[stock-polling]": (
        "engineio reads a POST by one `StreamReader.read`, which returns what has come so far"
    ),
}
"""Those, or cases of them, whose outcome on stock python-socketio depends on timing."""
