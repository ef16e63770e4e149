"""A client of a Roomcast server.

    async with Client("http://127.0.0.1:8000", token=token) as roomcast:
        state = await roomcast.upload(Path("holiday.mov"), type="hero-video", on_progress=print)
        print(state["element"]["url"])

An upload's state is the server's message, a plain dict (`roomcast.uploads.messages.Message`). Links in it are absolute
URLs.
Every failure is a `RoomcastError`. What breaks off is tried again with growing pauses, until nothing has come of it for
`patience_seconds`; but a server that was never heard is not waited for.

Nothing is remembered between two runs. An upload is found again by what is in its file: the same file under the same
template is the same assembly, so one that was begun goes on where it was, and one that is done is not sent again.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from functools import partial
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from roomcast.client.errors import LOCAL_FILE, NETWORK, RoomcastError, failure
from roomcast.client.http import SILENCE_SECONDS, Link
from roomcast.client.links import status_with_addresses, with_addresses
from roomcast.client.local_file import Source, locally, source_at
from roomcast.client.retry import RetryWindow
from roomcast.client.sse import Parser
from roomcast.errors import Code
from roomcast.uploads.lifecycle import Stage, Status

if TYPE_CHECKING:  # they bring pydantic along
    from roomcast.uploads.messages import Message, Output

__all__ = ["LOCAL_FILE", "NETWORK", "Client", "RoomcastError", "ended"]

_TUS = {"Tus-Resumable": "1.0.0"}
_POLL_SECONDS = 1.0
_READ_BYTES = 256 * 1024
_DEFAULT_TEMPLATE = "auto"
_ANONYMOUS = "anonymous"

OnProgress = Callable[["Message"], object]


class Client:
    """The calls. Open while it is entered; `sends_at_once` files are sent at a time, the others wait for their turn."""

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        *,
        token: str | None = None,
        sends_at_once: int = 3,
        patience_seconds: float = 60.0,
    ) -> None:
        self._link = Link(url, token)
        self._user = _subject(token)
        self._turns = asyncio.Semaphore(sends_at_once)
        self._patience_seconds = patience_seconds

    async def __aenter__(self) -> Self:
        await self._link.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._link.close()

    async def upload(
        self,
        path: Path,
        *,
        type: str | None = None,  # noqa: A002  (it is the contract's word)
        on_progress: OnProgress | None = None,
        wait: bool = True,
    ) -> Message:
        """Send a file under a template (`type`), and wait for its results; the last state, which has the `element`.

        `on_progress` is called with every state. Without `wait`, it is over when the server has the file. Raises how
        the upload failed. Left early, for instance by `asyncio.timeout`, the upload stays as it is.
        """
        told: Message | None = None

        def tell(state: Message) -> None:
            nonlocal told
            if told is None or _is_news(state, told):
                told = state
                if on_progress:
                    on_progress(state)

        state = await self.reserve(path, type=type)
        tell(state)
        if ended(state):
            return state
        following = asyncio.create_task(self.follow(state["uploadId"], tell))
        try:
            if state["stage"] == Stage.RECEIVING:
                state = await self.send(path, state["uploadId"])
            if wait:
                return await following
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
        tell(state)
        return state

    async def reserve(self, path: Path, *, type: str | None = None) -> Message:  # noqa: A002
        """The upload of this very file: one that was begun or is done, or else a new one. While its `stage` is
        `receiving`, `send` it."""
        source = await source_at(path)
        async with self._turns:
            md5 = await source.md5()
        file = {"filename": path.name, "size": source.size, "md5": md5}
        retries = RetryWindow(self._patience_seconds)
        while True:
            try:
                async with self._turns:
                    if begun := await self._begun(md5, type or _DEFAULT_TEMPLATE):
                        return begun
                    answer = await self._link.json("POST", "/api/uploads", json={"type": type, "files": [file]})
                    return self._whole(answer["state"])
            except RoomcastError as error:
                await retries.wait_or_raise(error)

    async def send(self, path: Path, upload_id: str) -> Message:
        """Send what the server has not got yet of a reserved upload's file, however often the connection breaks; the
        state once it has all of it. `WRONG_STATE` when somebody else goes on with sending it."""
        source = await source_at(path)
        retries = RetryWindow(self._patience_seconds)
        furthest = -1
        refusal: RoomcastError | None = None
        async with self._turns:
            while True:
                try:
                    state = await self.state(upload_id)
                    if state["stage"] != Stage.RECEIVING:
                        return _unless_failed(state)
                    if refusal:
                        raise refusal
                    offset = await self._offset(upload_id)
                    if offset > furthest:
                        furthest = offset
                        retries.reset()
                    await self._append(upload_id, source, offset)
                except RoomcastError as error:
                    if error.code == Code.WRONG_STATE and not error.retryable and not refusal:
                        refusal = error  # unless what a lost connection had brought was all that was missing
                        continue
                    await retries.wait_or_raise(error)

    async def watch(self, upload_id: str) -> AsyncGenerator[Message, None]:
        """An upload's states as they come, the present one first, until one that ends it (`completed` or `error`).

        They come as a stream of events, which goes on where it broke off. Where a stream is refused, the state is asked
        for every second instead.
        """
        listen, position = self._stream, None
        latest: Message | None = None
        retries = RetryWindow(self._patience_seconds)
        while True:
            try:
                async with aclosing(listen(upload_id, position)) as heard:
                    async for behind, state in heard:
                        position = behind
                        retries.reset()
                        if latest and not _is_news(state, latest):
                            continue
                        latest = state
                        yield state
                        if ended(state):
                            return
                await retries.wait_or_raise(RoomcastError(NETWORK, "The server ended the stream.", retryable=True))
            except _Refused:
                listen = self._poll
            except RoomcastError as error:
                await retries.wait_or_raise(error)

    async def follow(self, upload_id: str, on_progress: OnProgress) -> Message:
        """Watch an upload to its end; the last state, which has the `element`. Raises how it failed."""
        async with aclosing(self.watch(upload_id)) as states:
            async for state in states:
                on_progress(state)
        return _unless_failed(state)

    async def state(self, upload_id: str) -> Message:
        """How an upload stands."""
        return self._whole(await self._link.json("GET", f"/api/uploads/{upload_id}"))

    async def list(self, *, status: str | None = None) -> AsyncIterator[Message]:
        """Your uploads, the newest first, page by page as they are asked for; with `status`, those that have it."""
        query = {"status": status} if status else {}
        while True:
            page = await self._link.json("GET", "/api/uploads", params=query)
            for state in page["uploads"]:
                yield self._whole(state)
            if not page["cursor"]:
                return
            query["cursor"] = page["cursor"]

    async def cancel(self, upload_id: str) -> Message:
        """Cancel an upload; returns when its work has stopped and its files are gone."""
        answer = await self._link.json("DELETE", f"/api/uploads/{upload_id}")
        return self._whole(answer["state"])

    async def retry(self, upload_id: str) -> Message:
        """Start a failed or cancelled upload over; `send` it again if its `stage` is `receiving` then."""
        answer = await self._link.json("POST", f"/api/uploads/{upload_id}/retry")
        return self._whole(answer["state"])

    async def assembly(self, assembly_id: str) -> dict[str, Any]:
        """The status of an assembly, in the assembly dialect."""
        status: dict[str, Any] = await self._link.json(
            "GET", "/api/transflow/status", params={"assemblyId": assembly_id}
        )
        return status_with_addresses(status, self._address)

    async def download(self, output: Output, folder: Path) -> Path:
        """Fetch one of an element's outputs into a folder; the file, which has as many bytes as it should."""
        target = folder / PurePosixPath(output["key"]).name
        retries = RetryWindow(self._patience_seconds)
        while True:
            try:
                await self._fetch(output, target.with_name(f"{target.name}.part"))
                return await locally(lambda: target.with_name(f"{target.name}.part").replace(target))
            except RoomcastError as error:
                await retries.wait_or_raise(error)

    def _whole(self, state: Message) -> Message:
        """The state, its links as whole addresses."""
        return with_addresses(state, self._address)

    def _address(self, link: str) -> str:
        return str(self._link.at(link))

    async def _begun(self, md5: str, template: str) -> Message | None:
        """The upload of these bytes under this template, if there is one that has not failed."""
        assembly_id = hashlib.sha256(f"{md5}{template}{self._user}".encode()).hexdigest()
        try:
            (upload,) = (await self.assembly(assembly_id))["uploads"]
            state = await self.state(upload["id"])
        except RoomcastError as error:
            if error.code != Code.NOT_FOUND:
                raise
            return None
        return None if state["status"] == Status.ERROR else state

    async def _offset(self, upload_id: str) -> int:
        async with self._link.request("HEAD", f"/api/tus/{upload_id}", headers=_TUS) as response:
            told = response.headers.get("Upload-Offset", "")
            if not told.isdigit():
                raise RoomcastError(NETWORK, "The server does not tell how much it has.")
            return int(told)

    async def _append(self, upload_id: str, source: Source, offset: int) -> None:
        """All the bytes from `offset` on, in one request, for as long as the server takes some."""
        headers = {
            **_TUS,
            "Upload-Offset": str(offset),
            "Content-Type": "application/offset+octet-stream",
            "Content-Length": str(source.size - offset),
        }
        broken: RoomcastError | None = None
        loop = asyncio.get_running_loop()

        async def body() -> AsyncIterator[bytes]:
            nonlocal broken
            try:
                async with aclosing(source.chunks(offset)) as chunks:
                    async for chunk in chunks:
                        taking.reschedule(loop.time() + SILENCE_SECONDS)
                        yield chunk
            except RoomcastError as error:
                broken = error  # the connection is going to be blamed for it
                raise

        try:
            async with asyncio.timeout(SILENCE_SECONDS) as taking:
                async with self._link.request("PATCH", f"/api/tus/{upload_id}", headers=headers, data=body()):
                    pass
        except TimeoutError:
            raise RoomcastError(NETWORK, "The server takes no more bytes.", retryable=True) from None
        except RoomcastError as error:
            raise broken or error from None

    async def _stream(self, upload_id: str, position: str | None) -> AsyncGenerator[tuple[str | None, Message], None]:
        """States, and the position behind each, until the server ends the stream."""
        headers = {"Last-Event-ID": position} if position else {}
        try:
            async with self._link.request("GET", f"/api/uploads/{upload_id}/events", headers=headers) as response:
                if response.content_type != "text/event-stream":
                    raise _Refused
                parser = Parser()
                async for chunk in response.content.iter_any():
                    for event in parser.feed(chunk):
                        position = event.id or position
                        yield position, self._whole(json.loads(event.data))
        except RoomcastError as error:
            if error.status is not None and error.status < 500:  # asking for the state tells more
                raise _Refused from error
            raise

    async def _poll(self, upload_id: str, position: str | None) -> AsyncGenerator[tuple[str | None, Message], None]:
        """The same, for want of a stream."""
        while True:
            yield position, await self.state(upload_id)
            await asyncio.sleep(_POLL_SECONDS)

    async def _fetch(self, output: Output, part: Path) -> None:
        size = 0
        await locally(lambda: part.parent.mkdir(parents=True, exist_ok=True))
        with await locally(lambda: part.open("wb")) as file:
            async with self._link.fetch(output["url"]) as response:
                async for chunk in response.content.iter_chunked(_READ_BYTES):
                    size += await locally(partial(file.write, chunk))
        if size != output["size"]:
            await locally(part.unlink)
            raise RoomcastError(NETWORK, f"Of {output['size']} bytes, {size} came.", retryable=True)


class _Refused(Exception):
    """There is no stream to be had."""


def ended(state: Message) -> bool:
    """Whether nothing follows, unless the upload is started over."""
    return state["status"] in (Status.COMPLETED, Status.ERROR)


def _unless_failed(state: Message) -> Message:
    if state["status"] == Status.ERROR:
        raise failure(state["error"])
    return state


def _is_news(state: Message, latest: Message) -> bool:
    """Whether `state` is not older than `latest`, nor the same: a stream that goes on may repeat itself."""
    if state["epoch"] != latest["epoch"]:
        return True
    place, before = ((one["seq"], one["attempt"], one["progress"]) for one in (state, latest))
    return place >= before and state != latest


def _subject(token: str | None) -> str:
    """Who the token says we are: a part of an assembly's id. Whether that holds is the server's business."""
    try:
        _, claims, _ = (token or "").split(".")
        return str(json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["sub"])
    except (ValueError, KeyError, TypeError):
        return _ANONYMOUS
