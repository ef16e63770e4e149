"""python-socketio's documented API: namespaces with functions and with classes."""

from __future__ import annotations

from typing import Any

import pytest
import socketio

from tests.support.socketio.clients import Harness, Inbox


class Chat(socketio.AsyncNamespace):  # type: ignore[misc]
    """A namespace that uses each documented method."""

    def __init__(self, namespace: str, calls: Inbox) -> None:
        super().__init__(namespace)
        self._calls = calls

    async def on_connect(self, sid: str, environ: Any, auth: Any) -> None:
        if auth == {"token": "wrong"}:
            raise socketio.exceptions.ConnectionRefusedError("wrong token")
        await self.save_session(sid, {"path": environ["PATH_INFO"]})

    async def on_disconnect(self, sid: str, reason: str) -> None:
        self._calls.put("disconnect", sid, reason)

    async def on_join(self, sid: str, room: str) -> list[str]:
        await self.enter_room(sid, room)
        return sorted(set(self.rooms(sid)) - {sid})

    async def on_leave(self, sid: str, room: str) -> list[str]:
        await self.leave_room(sid, room)
        return sorted(set(self.rooms(sid)) - {sid})

    async def on_close(self, _sid: str, room: str) -> None:
        await self.close_room(room)

    async def on_publish(self, sid: str, room: str, text: str) -> None:
        await self.emit("relayed", text, room=room, skip_sid=sid)
        await self.send("sent", to=sid)

    async def on_ask(self, sid: str) -> Any:
        return await self.call("question", to=sid)

    async def on_whoami(self, sid: str) -> Any:
        async with self.session(sid) as session:
            session["asked"] = session.get("asked", 0) + 1
        return await self.get_session(sid)

    async def on_go(self, sid: str) -> None:
        await self.disconnect(sid)


async def test_namespace_class_handles_its_events(harness: Harness) -> None:
    sio, calls = await harness.serve(), Inbox()
    sio.register_namespace(Chat("/chat", calls))
    first, second = await harness.connect_many(2, "/chat")
    here = {"namespace": "/chat"}
    assert await first.call("join", "red", **here) == ["red"]
    assert await second.call("join", "red", **here) == ["red"]
    await first.call("publish", ("red", "hello"), **here)
    assert await first.event() == ("/chat", "message", "sent")
    assert await second.event() == ("/chat", "relayed", "hello")
    assert await second.call("leave", "red", **here) == []
    first.answers["question"] = "yes"
    assert await first.call("ask", **here) == "yes"
    await first.call("close", "red", **here)
    assert list(sio.manager.get_participants("/chat", "red")) == []
    await first.call("whoami", **here)
    assert await first.call("whoami", **here) == {"path": "/socket.io/", "asked": 2}
    sid = first.client.get_sid("/chat")
    await first.emit("go", **here)
    assert await calls.get() == ("disconnect", sid, sio.reason.SERVER_DISCONNECT)
    assert await first.disconnects.get() == "/chat"


async def test_namespace_class_refuses_a_client_and_ignores_unknown_events(harness: Harness) -> None:
    sio, calls = await harness.serve(), Inbox()
    sio.register_namespace(Chat("/chat", calls))
    assert await harness.refused("/chat", auth={"token": "wrong"}) == {"message": "wrong token"}
    client = await harness.connect("/chat")
    await client.emit("unheard_of", 1, namespace="/chat")
    await client.emit("on_join", "red", namespace="/chat")
    assert await client.call("join", "blue", namespace="/chat") == ["blue"]


async def test_namespace_of_the_wrong_type_is_not_registered(harness: Harness) -> None:
    sio = await harness.serve()
    with pytest.raises(ValueError, match="Not a namespace"):
        sio.register_namespace("/chat")
    with pytest.raises(ValueError, match="Not a valid namespace class"):
        sio.register_namespace(socketio.Namespace("/chat"))


async def test_catch_all_namespace_class_gets_the_namespace(harness: Harness) -> None:
    calls = Inbox()

    class Any_(socketio.AsyncNamespace):  # type: ignore[misc] # noqa: N801
        def on_notice(self, namespace: str, sid: str, value: Any) -> None:
            calls.put(namespace, sid, value)

    sio = await harness.serve(namespaces="*")
    sio.register_namespace(Any_("*"))
    client = await harness.connect("/one", "/two")
    await client.emit("notice", 1, namespace="/one")
    await client.emit("notice", 2, namespace="/two")
    expected = [(name, client.client.get_sid(name), value) for name, value in (("/one", 1), ("/two", 2))]
    assert await calls.get_many(2) == expected


async def test_most_specific_handler_is_called(harness: Harness) -> None:
    sio, calls = await harness.serve(namespaces=["/one", "/two"]), Inbox()
    sio.on("notice", lambda *arguments: calls.put("event", *arguments), namespace="/one")
    sio.on("*", lambda *arguments: calls.put("any event", *arguments), namespace="/one")
    sio.on("notice", lambda *arguments: calls.put("any namespace", *arguments), namespace="*")
    sio.on("*", lambda *arguments: calls.put("anything", *arguments), namespace="*")
    client = await harness.connect("/one", "/two")
    one, two = client.client.get_sid("/one"), client.client.get_sid("/two")
    for namespace in ("/one", "/two"):
        for event in ("notice", "asked"):
            await client.emit(event, 1, namespace=namespace)
    assert await calls.get_many(4) == [
        ("event", one, 1),
        ("any event", "asked", one, 1),
        ("any namespace", "/two", two, 1),
        ("anything", "asked", "/two", two, 1),
    ]


async def test_client_has_a_different_sid_in_each_namespace(harness: Harness) -> None:
    sio, calls = await harness.serve(), Inbox()
    for namespace in ("/", "/one"):
        sio.on("notice", calls.put, namespace=namespace)
    client = await harness.connect("/", "/one")
    await client.emit("notice", "main")
    await client.emit("notice", "one", namespace="/one")
    sid, one = client.sid, client.client.get_sid("/one")
    assert sid != one
    assert await calls.get_many(2) == [(sid, "main"), (one, "one")]
    assert sio.manager.eio_sid_from_sid(sid, "/") == sio.manager.eio_sid_from_sid(one, "/one")


async def test_client_that_leaves_one_namespace_stays_in_the_other(harness: Harness) -> None:
    sio = await harness.serve(namespaces=["/", "/one"])
    sio.on("echo", lambda _sid, value: value)
    client = await harness.connect("/", "/one")
    await sio.disconnect(client.client.get_sid("/one"), namespace="/one")
    assert await client.disconnects.get() == "/one"
    assert await client.call("echo", 1) == 1


async def test_unknown_namespace_is_refused(harness: Harness) -> None:
    await harness.serve(namespaces=["/", "/one"])
    assert await harness.refused("/two") == "Unable to connect"
    client = await harness.connect("/one")
    assert client.refusals.empty


async def test_main_namespace_needs_no_handler(harness: Harness) -> None:
    sio = await harness.serve()
    client = await harness.connect()
    await sio.emit("notice", 1)
    assert await client.event() == ("notice", 1)


async def test_namespaces_option_accepts_every_namespace(harness: Harness) -> None:
    sio = await harness.serve(namespaces="*")
    client = await harness.connect("/whatever", "/else")
    await sio.emit("notice", 1, namespace="/whatever")
    await sio.emit("notice", 2, namespace="/else")
    assert sorted(await client.events.get_many(2)) == [("/else", "notice", 2), ("/whatever", "notice", 1)]
