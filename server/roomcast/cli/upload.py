"""`roomcast upload` and `watch`: several files at once, each with an ending of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from roomcast.cli.exit_codes import Ending, ending_of, ending_of_all
from roomcast.cli.output import Show
from roomcast.client.client import Client, ended
from roomcast.client.errors import RoomcastError
from roomcast.uploads.lifecycle import Stage

if TYPE_CHECKING:  # it brings pydantic along
    from roomcast.uploads.messages import Element, Message

_UNDER_WAY = 32
"""Files at once that are sent or processed; the server has a limit too."""

_CANCEL_SECONDS = 10.0


class PublishCursor:
    """Files on their way. `download`: the folder that results are fetched into, each file's in one of its own."""

    def __init__(self, client: Client, show: Show, *, template: str | None, wait: bool, download: Path | None) -> None:
        self._client = client
        self._show = show
        self._template = template
        self._wait = wait or download is not None
        self._download = download
        self._states: dict[str, Message] = {}
        self._places = asyncio.Semaphore(_UNDER_WAY)

    async def all_of(self, files: Sequence[Path]) -> Ending:
        """How they end, taken together. Cancelled, it cancels what has not arrived whole."""
        for file in files:
            self._show.begin(str(file))
        try:
            return ending_of_all(await asyncio.gather(*(self._one(file) for file in files)))
        except asyncio.CancelledError:
            await self._give_up()
            raise

    async def _one(self, file: Path) -> Ending:
        name = str(file)
        async with self._places:
            return await guarded(self._show, name, self._send(file, name))

    async def _send(self, file: Path, name: str) -> None:
        def tell(state: Message) -> None:
            self._states[name] = state
            self._show.state(name, state)

        state = await self._client.upload(file, type=self._template, on_progress=tell, wait=self._wait)
        where = _link(state)
        if self._download:
            where = str(await self._fetch(state["element"], self._download / file.name))
        self._show.result(name, state, where)

    async def _fetch(self, element: Element, folder: Path) -> Path:
        """All outputs that are one file; an HLS ladder is many, and is played from where it lies."""
        for output in element["outputs"]:
            if output["kind"] != "hls":
                await self._client.download(output, folder)
        return folder

    async def _give_up(self) -> None:
        """Ctrl-C: what the server has whole goes on there, the rest is cancelled."""
        begun = {name: state for name, state in self._states.items() if not ended(state)}
        for name, state in begun.items():
            if state["stage"] != Stage.RECEIVING:
                self._show.note(f"{name}: goes on; see `roomcast watch {state['uploadId']}`")
        unsent = [name for name, state in begun.items() if state["stage"] == Stage.RECEIVING]
        with suppress(TimeoutError):  # then they lapse
            async with asyncio.timeout(_CANCEL_SECONDS):
                await asyncio.gather(*(guarded(self._show, name, self._cancel(name)) for name in unsent))

    async def _cancel(self, name: str) -> None:
        self._show.state(name, await self._client.cancel(self._states[name]["uploadId"]))
        self._show.note(f"{name}: cancelled")


async def watch(client: Client, show: Show, upload_id: str) -> Ending:
    """Show an upload until it ends."""

    async def follow() -> None:
        state = await client.follow(upload_id, lambda state: show.state(upload_id, state))
        show.result(upload_id, state, _link(state))

    show.begin(upload_id)
    return await guarded(show, upload_id, follow())


async def guarded(show: Show, name: str, work: Coroutine[Any, Any, None]) -> Ending:
    """How `work` on something ends; a failure is shown."""
    try:
        await work
    except RoomcastError as error:
        show.problem(name, error)
        return ending_of(error.code)
    return Ending.COMPLETED


def _link(state: Message) -> str:
    """The main result's, as soon as there is one."""
    return state["element"]["outputs"][0]["url"] if ended(state) else ""


def same_names(files: Sequence[Path]) -> str | None:
    """A name that two of the files have, whose results would come to lie in one folder."""
    names = [file.name for file in files]
    return next((name for name in names if names.count(name) > 1), None)
