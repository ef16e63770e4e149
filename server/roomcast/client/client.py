"""The Python client of a Roomcast server.

    async with Client("http://127.0.0.1:8000", token=token) as roomcast:
        state = await roomcast.upload(Path("holiday.mov"), type="hero-video", on_progress=print)
        print(state["element"]["url"])

An upload's state is the server's message, a plain dict (`roomcast.uploads.messages.Message`). Links in it are absolute
URLs. Every failure is raised as a `ClientError`. A transfer that is interrupted continues with exponential backoff,
until it makes no progress for `retry_seconds`. A server that has never answered is not retried.

The client stores nothing between two runs. It finds an upload by the content of its file: the same file under the same
template is the same assembly, so an interrupted upload continues and a completed one is not sent again.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from roomcast.client.answers import field, list_field, parsed, upload_message
from roomcast.client.errors import LOCAL_FILE, NETWORK, ClientError, error_from_message
from roomcast.client.http import SILENCE_SECONDS, HttpConnection
from roomcast.client.links import status_with_absolute_urls, with_absolute_urls
from roomcast.client.local_file import LocalFile, open_source, run_file_io
from roomcast.client.retry import RetryWindow
from roomcast.client.sse import Parser
from roomcast.errors import Code
from roomcast.uploads.lifecycle import TERMINAL_STATUSES, Stage, Status

if TYPE_CHECKING:  # they import pydantic
    from roomcast.uploads.messages import Message, Output

__all__ = ["LOCAL_FILE", "NETWORK", "Client", "ClientError", "is_terminal"]

_TUS = {"Tus-Resumable": "1.0.0"}
_POLL_SECONDS = 1.0
_READ_BYTES = 256 * 1024
_DEFAULT_TEMPLATE = "auto"
_ANONYMOUS = "anonymous"
_ID = re.compile(r"[\w-]{1,200}", re.ASCII)

OnState = Callable[["Message"], object]


class Client:
    """Calls a server, within an `async with` block. It sends `concurrent_uploads` files at a time; the others wait."""

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        *,
        token: str | None = None,
        concurrent_uploads: int = 3,
        retry_seconds: float = 60.0,
    ) -> None:
        self._http = HttpConnection(url, token)
        self._user = _subject(token)
        self._slots = asyncio.Semaphore(concurrent_uploads)
        self._retry_seconds = retry_seconds

    async def __aenter__(self) -> Self:
        await self._http.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.close()

    async def upload(
        self,
        path: Path,
        *,
        type: str | None = None,  # noqa: A002  (the API calls a template `type`)
        metadata: Mapping[str, Any] | None = None,
        on_progress: OnState | None = None,
        wait: bool = True,
    ) -> Message:
        """Send a file under a template (`type`), wait for its results and return the last state, with the `element`.

        `metadata`, at most 4 KiB of JSON, is in every state and in the webhook. An earlier upload of the same file is
        used only if it has the same.

        `on_progress` is called with every state. Without `wait`, this returns when the server has the file. Raises the
        error of an upload that fails. A cancellation, for example by `asyncio.timeout`, does not cancel the upload.
        """
        latest: Message | None = None

        def report(state: Message) -> None:
            nonlocal latest
            if latest is None or _is_newer(state, latest):
                latest = state
                if on_progress:
                    on_progress(state)

        state = await self.reserve(path, type=type, metadata=metadata)
        report(state)
        if is_terminal(state):
            return state
        following = asyncio.create_task(self.follow(state["uploadId"], report))
        try:
            if state["stage"] == Stage.RECEIVING:
                state = await self.send(path, state["uploadId"])
            if wait:
                return await following
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
        report(state)
        return state

    async def reserve(
        self,
        path: Path,
        *,
        type: str | None = None,  # noqa: A002
        metadata: Mapping[str, Any] | None = None,
    ) -> Message:
        """Return the upload of this file: an earlier one that has not failed, or a new one.

        While its `stage` is `receiving`, call `send`.
        """
        source = await open_source(path)
        async with self._slots:
            md5 = await source.md5()
        file = {"filename": path.name, "size": source.size, "md5": md5}
        retries = RetryWindow(self._retry_seconds)
        while True:
            try:
                async with self._slots:
                    begun = await self._find_existing(md5, type or _DEFAULT_TEMPLATE)
                    if begun and dict(begun["metadata"]) == (metadata or {}):
                        return begun
                    body = {"type": type, "metadata": metadata, "files": [file]}
                    answer = await self._http.json("POST", "api/uploads", json=body)
                    return self._with_urls(field(answer, "state"))
            except ClientError as error:
                await retries.wait_or_raise(error)

    async def send(self, path: Path, upload_id: str) -> Message:
        """Send the missing bytes of a reserved upload, and return its state when the server has all of them.

        It continues after every interruption. Raises `WRONG_STATE` when another client has taken over.
        """
        source = await open_source(path)
        retries = RetryWindow(self._retry_seconds)
        max_offset = -1
        conflict: ClientError | None = None
        async with self._slots:
            while True:
                try:
                    state = await self.state(upload_id)
                    if state["stage"] != Stage.RECEIVING:
                        return _raise_if_failed(state)
                    if conflict:
                        raise conflict
                    offset = await self._offset(upload_id)
                    if offset > max_offset:
                        max_offset = offset
                        retries.reset()
                    await self._append(upload_id, source, offset)
                except ClientError as error:
                    if error.code == Code.WRONG_STATE and not error.retryable and not conflict:
                        conflict = error  # it is none if the lost connection had brought the last bytes
                        continue
                    await retries.wait_or_raise(error)

    async def watch(self, upload_id: str) -> AsyncGenerator[Message, None]:
        """Yield the states of an upload, from the current one to the terminal one (`completed` or `error`).

        They come from an event stream, which continues after an interruption. Without a stream the client polls every
        second.
        """
        read, position = self._stream, None
        latest: Message | None = None
        retries = RetryWindow(self._retry_seconds)
        while True:
            try:
                async with aclosing(read(upload_id, position)) as states:
                    async for event_id, state in states:
                        position = event_id
                        retries.reset()
                        if latest and not _is_newer(state, latest):
                            continue
                        latest = state
                        yield state
                        if is_terminal(state):
                            return
                await retries.wait_or_raise(ClientError(NETWORK, "The server ended the stream.", retryable=True))
            except _NoStream:
                read = self._poll
            except ClientError as error:
                await retries.wait_or_raise(error)

    async def follow(self, upload_id: str, on_progress: OnState) -> Message:
        """Watch an upload to its end and return the last state, with the `element`. Raises its error."""
        async with aclosing(self.watch(upload_id)) as states:
            async for state in states:
                on_progress(state)
        return _raise_if_failed(state)

    async def state(self, upload_id: str) -> Message:
        """Return the state of an upload."""
        return self._with_urls(await self._http.json("GET", f"api/uploads/{_checked(upload_id)}"))

    async def list(self, *, status: str | None = None) -> AsyncIterator[Message]:
        """Yield the viewer's uploads, the newest first. Pages are fetched as needed. `status` selects uploads."""
        query = {"status": status} if status else {}
        while True:
            page = await self._http.json("GET", "api/uploads", params=query)
            for state in list_field(page, "uploads"):
                yield self._with_urls(state)
            if not (cursor := field(page, "cursor")):
                return
            query["cursor"] = cursor

    async def cancel(self, upload_id: str) -> Message:
        """Cancel an upload, and return its state when its work has stopped and its files are deleted."""
        answer = await self._http.json("POST", f"api/uploads/{_checked(upload_id)}/cancel")
        return self._with_urls(field(answer, "state"))

    async def delete(self, upload_id: str) -> bool:
        """Delete an upload with its results; cancel it first if it has not ended. Return False if it is deleted already
        or does not exist."""
        try:
            answer = await self._http.json("DELETE", f"api/uploads/{_checked(upload_id)}")
            if field(field(answer, "state"), "stage") != Stage.DELETED:
                await self._http.json("DELETE", f"api/uploads/{_checked(upload_id)}")
        except ClientError as error:
            if error.code not in (Code.NOT_FOUND, Code.DELETED):
                raise
            return False
        return True

    async def create_link(
        self, upload_id: str, *, scope: str = "view", expires: str | float | None = None
    ) -> dict[str, Any]:
        """Make a lasting link to an upload and return it, with its `url`. `scope` is `view` or `control`; `expires` is
        a time (ISO 8601), a duration such as `7d`, or a number of seconds."""
        body = {"scope": scope, "expires": expires}
        link: dict[str, Any] = await self._http.json("POST", f"api/uploads/{_checked(upload_id)}/links", json=body)
        return {**link, "url": self._absolute_url(field(link, "url"))}

    async def links(self, upload_id: str) -> Sequence[dict[str, Any]]:
        """Return the lasting links to an upload, newest first, without their URLs."""
        return list_field(await self._http.json("GET", f"api/uploads/{_checked(upload_id)}/links"), "links")

    async def revoke_link(self, upload_id: str, link_id: str) -> None:
        """Revoke a lasting link."""
        async with self._http.request("DELETE", f"api/uploads/{_checked(upload_id)}/links/{_checked(link_id)}"):
            pass

    async def process(
        self,
        upload_id: str,
        *,
        type: str | None = None,  # noqa: A002
        metadata: Mapping[str, Any] | None = None,
    ) -> Message:
        """Process the stored source of an upload with another template, and return the state of the new upload."""
        body = {"type": type, "metadata": metadata}
        answer = await self._http.json("POST", f"api/uploads/{_checked(upload_id)}/process", json=body)
        return self._with_urls(field(answer, "state"))

    async def import_url(
        self,
        url: str,
        *,
        type: str | None = None,  # noqa: A002
        filename: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Message:
        """Have the server fetch a file from a URL, and return the state of its upload."""
        body = {"type": type, "files": [{"url": url, "filename": filename, "metadata": metadata}]}
        answer = await self._http.json("POST", "api/uploads", json=body)
        return self._with_urls(field(answer, "state"))

    async def retry(self, upload_id: str) -> Message:
        """Start a failed or cancelled upload again. Call `send` when its `stage` is then `receiving`."""
        answer = await self._http.json("POST", f"api/uploads/{_checked(upload_id)}/retry")
        return self._with_urls(field(answer, "state"))

    async def assembly(self, assembly_id: str) -> dict[str, Any]:
        """Return the status of an assembly, in the assembly dialect."""
        status: dict[str, Any] = await self._http.json(
            "GET", "api/transflow/status", params={"assemblyId": assembly_id}
        )
        field(status, "results")
        return status_with_absolute_urls(status, self._absolute_url)

    async def download(self, output: Output, folder: Path) -> Path:
        """Download an output of an element into a folder and return its path. Raises when its size is wrong."""
        target = folder / PurePosixPath(output["key"]).name
        retries = RetryWindow(self._retry_seconds)
        while True:
            try:
                await self._fetch(output, target.with_name(f"{target.name}.part"))
                return await run_file_io(lambda: target.with_name(f"{target.name}.part").replace(target))
            except ClientError as error:
                await retries.wait_or_raise(error)

    def _with_urls(self, answer: Any) -> Message:
        """Return an answer that is a state, with absolute URLs. Raise `ClientError` for any other."""
        return with_absolute_urls(upload_message(answer), self._absolute_url)

    def _absolute_url(self, link: str) -> str:
        return str(self._http.url(link))

    async def _find_existing(self, md5: str, template: str) -> Message | None:
        """Return the upload of these bytes under this template, if one exists and has not failed."""
        assembly_id = hashlib.sha256(f"{md5}{template}{self._user}".encode()).hexdigest()
        try:
            (upload,) = list_field(await self.assembly(assembly_id), "uploads")
            state = await self.state(field(upload, "id"))
        except ClientError as error:
            if error.code != Code.NOT_FOUND:
                raise
            return None
        return None if state["status"] == Status.ERROR else state

    async def _offset(self, upload_id: str) -> int:
        async with self._http.request("HEAD", f"api/tus/{upload_id}", headers=_TUS) as response:
            offset = response.headers.get("Upload-Offset", "")
            if not offset.isdigit():
                raise ClientError(NETWORK, "The response has no valid Upload-Offset header.")
            return int(offset)

    async def _append(self, upload_id: str, source: LocalFile, offset: int) -> None:
        """Send the bytes from `offset` on in one request, as long as the server accepts some."""
        headers = {
            **_TUS,
            "Upload-Offset": str(offset),
            "Content-Type": "application/offset+octet-stream",
            "Content-Length": str(source.size - offset),
        }
        local_error: ClientError | None = None
        loop = asyncio.get_running_loop()

        async def body() -> AsyncIterator[bytes]:
            nonlocal local_error
            try:
                async with aclosing(source.chunks(offset)) as chunks:
                    async for chunk in chunks:
                        timeout.reschedule(loop.time() + SILENCE_SECONDS)
                        yield chunk
            except ClientError as error:
                local_error = error  # aiohttp will report it as a connection error
                raise

        try:
            async with asyncio.timeout(SILENCE_SECONDS) as timeout:
                async with self._http.request("PATCH", f"api/tus/{upload_id}", headers=headers, data=body()):
                    pass
        except TimeoutError:
            raise ClientError(NETWORK, "The server accepts no more bytes.", retryable=True) from None
        except ClientError as error:
            raise local_error or error from None

    async def _stream(self, upload_id: str, position: str | None) -> AsyncGenerator[tuple[str | None, Message], None]:
        """Yield states, each with its event id, until the server ends the stream."""
        headers = {"Last-Event-ID": position} if position else {}
        try:
            async with self._http.request(
                "GET", f"api/uploads/{_checked(upload_id)}/events", headers=headers
            ) as response:
                if response.content_type != "text/event-stream":
                    raise _NoStream
                parser = Parser()
                async for chunk in response.content.iter_any():
                    for event in parser.feed(chunk):
                        position = event.id or position
                        yield position, self._with_urls(parsed(event.data))
        except ClientError as error:
            if error.status is not None and error.status < 500:  # the poll gets a better error
                raise _NoStream from error
            raise

    async def _poll(self, upload_id: str, position: str | None) -> AsyncGenerator[tuple[str | None, Message], None]:
        """Yield states by polling."""
        while True:
            yield position, await self.state(upload_id)
            await asyncio.sleep(_POLL_SECONDS)

    async def _fetch(self, output: Output, part: Path) -> None:
        size = 0
        await run_file_io(lambda: part.parent.mkdir(parents=True, exist_ok=True))
        with await run_file_io(lambda: part.open("wb")) as file:
            async with self._http.fetch(output["url"]) as response:
                async for chunk in response.content.iter_chunked(_READ_BYTES):
                    size += await run_file_io(partial(file.write, chunk))
        if size != output["size"]:
            await run_file_io(part.unlink)
            raise ClientError(NETWORK, f"The download has {size} of {output['size']} bytes.", retryable=True)


class _NoStream(Exception):
    """The server does not offer an event stream."""


def is_terminal(state: Message) -> bool:
    """Return whether an upload has ended."""
    return state["status"] in TERMINAL_STATUSES


def _raise_if_failed(state: Message) -> Message:
    if state["status"] == Status.ERROR:
        raise error_from_message(state["error"])
    return state


def _is_newer(state: Message, latest: Message) -> bool:
    """Return whether `state` is newer than `latest`. A stream that continues may repeat states."""
    if state["epoch"] != latest["epoch"]:
        return True
    after, before = ((one["seq"], one["attempt"], one["progress"]) for one in (state, latest))
    return after >= before and state != latest


def _checked(name: str) -> str:
    """Return the id of an upload or a link, which can be a segment of a path; raise `NOT_FOUND` for what is no id."""
    if not _ID.fullmatch(name):
        raise ClientError(Code.NOT_FOUND.value, f"There is nothing with the id {name!r}.")
    return name


def _subject(token: str | None) -> str:
    """Return the user id of a token, which is a part of assembly ids. The server verifies the token; this does not."""
    try:
        _, claims, _ = (token or "").split(".")
        return str(json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["sub"])
    except (ValueError, KeyError, TypeError):
        return _ANONYMOUS
