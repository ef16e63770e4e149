"""The official Socket.IO admin UI: off, unless a setting names a user and a password."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import socketio

from tests.integration.conftest import ServeApp
from tests.support.app import AppServer
from tests.support.watchers import Watcher

ADMIN = {"username": "ada", "password": "correct horse"}


@asynccontextmanager
async def admin_client(
    server: AppServer, auth: dict[str, str]
) -> AsyncIterator[tuple[Any, dict[str, asyncio.Future[Any]]]]:
    """A client of the admin namespace, and what it is sent, by the event's name."""
    client = socketio.AsyncClient(reconnection=False)
    received: dict[str, asyncio.Future[Any]] = {
        name: asyncio.get_running_loop().create_future() for name in ("config", "all_sockets", "server_stats")
    }

    def on_event(name: str, *arguments: Any) -> None:
        if name in received and not received[name].done():
            received[name].set_result(arguments[0])

    client.on("*", on_event, namespace="/admin")
    try:
        await client.connect(server.url, namespaces=["/admin"], auth=auth, transports=["websocket"], wait_timeout=60)
        yield client, received
    finally:
        await client.disconnect()


async def test_admin_ui_gets_the_clients_and_their_rooms(serve: ServeApp) -> None:
    server = await serve(ROOMCAST_SOCKETIO_ADMIN=":".join(ADMIN.values()))
    async with Watcher(server.url), admin_client(server, ADMIN) as (_, received), asyncio.timeout(60):
        assert "ALL_EVENTS" in (await received["config"])["supportedFeatures"]
        sockets = await received["all_sockets"]
        assert {one["nsp"] for one in sockets} == {"/", "/admin"}
        assert {one["transport"] for one in sockets} <= {"polling", "websocket"}
        assert (await received["server_stats"])["clientsCount"] == 2


async def test_wrong_password_is_refused(serve: ServeApp) -> None:
    server = await serve(ROOMCAST_SOCKETIO_ADMIN=":".join(ADMIN.values()))
    with pytest.raises(socketio.exceptions.ConnectionError):
        async with admin_client(server, {**ADMIN, "password": "wrong"}):
            pass


async def test_admin_namespace_is_refused_without_the_setting(serve: ServeApp) -> None:
    server = await serve()
    with pytest.raises(socketio.exceptions.ConnectionError):
        async with admin_client(server, ADMIN):
            pass


@pytest.mark.parametrize("value", ["ada", ":correct horse", "ada:short", "ada:"])
async def test_setting_without_user_or_password_refuses_the_start(serve: ServeApp, value: str) -> None:
    with pytest.raises(ValueError, match="ROOMCAST_SOCKETIO_ADMIN"):
        await serve(ROOMCAST_SOCKETIO_ADMIN=value)
