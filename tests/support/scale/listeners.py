"""Six ways to listen to one submission at once, each of which may break off and go on at another process."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any

from roomcast.uploads.model import Upload

from tests.support.harness import Api, RunningServer
from tests.support.scale import oracle
from tests.support.streams import StreamWatcher
from tests.support.watchers import Message, Watcher


class Stream:
    """A stream at one of these paths. When it comes back, it goes on from its last id, wherever it likes."""

    def __init__(self, webs: Sequence[RunningServer], paths: Sequence[str], start: str, chance: random.Random) -> None:
        self._webs, self._paths, self._chance = webs, paths, chance
        self._position = start
        self._taken = 0
        self._heard: dict[str, Message] = {}
        self._reading: Message = {}
        self.steps: list[Message] = []

    async def open(self) -> None:
        url = self._chance.choice(self._webs).url + self._chance.choice(self._paths)
        self._watcher = await StreamWatcher(url, headers={"Last-Event-ID": self._position}).__aenter__()
        self._taken = 0

    async def close(self) -> None:
        self._collect()
        await self._watcher.__aexit__()

    async def again(self) -> None:
        await self.close()
        await self.open()

    @property
    def ended(self) -> bool:
        return self._watcher.ended

    async def until(self, position: str) -> Message:
        """What it says there. A stream ends with its uploads, and is asked for again when one of them starts over."""

        def over() -> bool:
            return self.ended or position in self._collect()

        await self._watcher.wait_until(over)
        while position not in self._collect():
            await self.again()
            await self._watcher.wait_until(over)
        return self._heard[position]

    async def reads(self, fits: Callable[[Message], bool]) -> None:
        """Wait until the last thing that it said fits."""

        def holds() -> bool:
            self._collect()
            return fits(self._reading)

        await self._watcher.wait_until(holds)

    def positions(self) -> list[str]:
        return list(self._collect())

    def _collect(self) -> dict[str, Message]:
        """What it has said so far, by position."""
        new = slice(self._taken, None)
        for item, position in zip(self._watcher.received[new], self._watcher.ids[new], strict=True):
            self._taken += 1
            if item.name == "step":
                self.steps.append(item.message)
                continue
            self._reading = item.message
            if position:
                self._heard[position] = item.message
                self._position = position
        return self._heard


class Listeners:
    """All six ways to the uploads of one submission: what each says is compared with what the oracle wants of it."""

    def __init__(self, webs: Sequence[RunningServer], ids: Sequence[str], chance: random.Random, asked: str) -> None:
        self._webs, self._ids, self._chance, self._asked = webs, ids, chance, asked
        self._stack = AsyncExitStack()
        self._native = {one: self._stream(f"/api/uploads/{one}/events") for one in ids}
        self._files = {one: self._stream(f"/api/files/progress/{one}") for one in ids}
        several = [f"/api/transflow/stream?uploadId={one}" for one in (*ids, asked)]
        self._several = Stream(webs, several, ",".join("0" for _ in ids), chance)
        self._statuses: dict[Api, tuple[str, Any]] = {}
        self.reconnections = 0

    def _stream(self, path: str) -> Stream:
        return Stream(self._webs, [path], "0", self._chance)

    @property
    def _streams(self) -> list[Stream]:
        return [*self._native.values(), *self._files.values(), self._several]

    async def __aenter__(self) -> Listeners:
        self._apis = [await self._stack.enter_async_context(Api(web)) for web in self._webs]
        self._socket = await self._stack.enter_async_context(Watcher(self._webs[0].url))
        for one in self._ids:
            await self._socket.join(one, since=0)
        for stream in self._streams:
            await stream.open()
            self._stack.push_async_callback(stream.close)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def come_and_go(self) -> None:
        for stream in self._streams:
            if stream.ended or self._chance.random() < 0.2:
                await stream.again()
                self.reconnections += 1
        one = self._chance.choice(self._ids)
        if self._chance.random() < 0.3:
            last = self._socket.events(one)[-1]
            await self._socket.leave(one)
            await self._socket.join(one, since=last["seq"], epoch=last["epoch"])

    async def agree_on(self, moved: Upload, uploads: Sequence[Upload]) -> None:
        """Every way says in its own words what the ledger knows of the upload that moved, and of all."""
        event, position = oracle.native(moved), _position(moved)
        await self._socket.until(moved.id, lambda message: message["seq"] == moved.seq)
        bodies = [self._socket.events(moved.id)[-1], await self._native[moved.id].until(position)]
        bodies += [(await api.get(moved.id)).body for api in self._apis]
        for one in bodies:
            assert oracle.unsigned(one) == event
        assert await self._files[moved.id].until(position) == oracle.file(moved)
        _check_overview(await self._several.until(",".join(map(_position, uploads))), uploads)
        for api in self._apis:
            assert (await api.request("GET", f"/api/progress/{moved.id}")).body == oracle.task(moved)
            _check_status(await self._status(api), uploads)

    async def agree_on_reading(self, moved_id: str, uploads: Sequence[Upload]) -> None:
        """Every way has an upload's latest reading, or will have it at once."""
        place = self._ids.index(moved_id)
        moved = uploads[place]
        bar, received = round(moved.state.progress, 1), moved.bytes_received
        done = oracle.file(moved)["uploaded_bytes"]

        def native(message: Message) -> bool:
            return (message["seq"], message["progress"], message["bytesReceived"]) == (moved.seq, bar, received)

        await self._socket.wait_until(lambda: native(self._socket.messages(moved.id)[-1]))
        await self._native[moved.id].reads(native)
        await self._files[moved.id].reads(
            lambda file: (file["progress_percentage"], file["uploaded_bytes"]) == (bar, done)
        )
        await self._several.reads(lambda overview: bool(overview["files"][place]["progress"] == bar))
        for api in self._apis:
            assert native((await api.get(moved.id)).body)
            assert (await api.request("GET", f"/api/progress/{moved.id}")).body == oracle.task(moved)
            _check_status(await self._status(api), uploads)

    async def _status(self, api: Api) -> Any:
        """The assembly's, as one who polls comes by it: a 304 says that it is still what it was."""
        tag, kept = self._statuses.get(api, ('W/"none"', None))
        query = {"assemblyId": self._asked}
        reply = await api.request("GET", "/api/transflow/status", params=query, headers={"If-None-Match": tag})
        if reply.status == 304:
            return kept
        self._statuses[api] = reply.headers["ETag"], reply.body
        return reply.body

    def check_whole(self, logs: dict[str, list[Upload]]) -> None:
        """Whatever came and went, each event was heard, and each step once."""
        for one, log in logs.items():
            assert self._native[one].positions() == self._files[one].positions() == list(map(_position, log))
            assert [event["seq"] for event in self._socket.events(one)] == [upload.seq for upload in log]
            steps = [step for step in self._several.steps if one in step.get("key", "").split("/")]
            assert {step["uploadId"] for step in steps} <= {*self._ids, self._asked}
            assert list(map(_anyones, steps)) == list(map(_anyones, oracle.steps(one, log)))
        of_all = [step for step in self._several.steps if "key" not in step]
        assert list(map(_anyones, of_all)) == oracle.ends(list(logs.values()))


def _check_overview(overview: Message, uploads: Sequence[Upload]) -> None:
    expected = oracle.several(overview["uploadId"], uploads)
    if any(upload.stage == "queued" for upload in uploads):
        assert overview["updatedAt"] >= expected["updatedAt"], "a new place in the queue is news, but no event"
        expected["updatedAt"] = overview["updatedAt"]
    assert oracle.unlinked(overview) == expected


def _check_status(status: Message, uploads: Sequence[Upload]) -> None:
    assert oracle.timeless(status) == oracle.assembly(uploads)
    assert status["created_at"] == status["execution_start"]
    if "error" in status:
        errors = [upload.error for upload in uploads if upload.stage != "done"]
        assert errors[0] is not None
        assert status["message"] == errors[0]["message"]


def _anyones(step: Message) -> Message:
    """A step as it is whichever of the submission's ids it was asked for under."""
    assert step["channel"] == f"upload:{step['uploadId']}"
    return {key: value for key, value in step.items() if key not in ("channel", "uploadId")}


def _position(upload: Upload) -> str:
    return f"{upload.epoch}:{upload.seq}"
