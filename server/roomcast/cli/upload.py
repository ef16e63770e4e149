"""The commands `roomcast upload` and `roomcast watch`."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from roomcast.cli.exit_codes import ExitCode, exit_code_for, exit_code_for_all
from roomcast.cli.output import Display
from roomcast.cli.sources import UploadSource
from roomcast.client.client import Client, is_terminal
from roomcast.client.errors import ClientError, error_from_message
from roomcast.errors import Code
from roomcast.uploads.lifecycle import Stage, Status

if TYPE_CHECKING:  # it imports pydantic
    from roomcast.uploads.messages import Element, Message

_MAX_CONCURRENT = 32
"""Files that are sent or processed at once. The server has a limit, too."""

_CANCEL_SECONDS = 10.0


class UploadCommand:
    """Uploads files. `download` is the folder for the results; each file's go into a folder of their own in it."""

    def __init__(
        self,
        client: Client,
        display: Display,
        *,
        template: str | None,
        metadata: Mapping[str, Any] | None,
        wait: bool,
        download: Path | None,
    ) -> None:
        self._client = client
        self._display = display
        self._template = template
        self._metadata = metadata
        self._wait = wait or download is not None
        self._download = download
        self._states: dict[str, Message] = {}
        self._slots = asyncio.Semaphore(_MAX_CONCURRENT)

    async def run(self, sources: Sequence[UploadSource]) -> ExitCode:
        """Upload the files and return the exit code. A cancellation cancels those that are not received completely."""
        for source in sources:
            self._display.begin(source.label)
        try:
            return exit_code_for_all(await asyncio.gather(*(self._one(source) for source in sources)))
        except asyncio.CancelledError:
            await self._cancel_unsent()
            raise

    async def _one(self, source: UploadSource) -> ExitCode:
        async with self._slots:
            return await exit_code_of(self._display, source.label, self._send(source))

    async def _send(self, source: UploadSource) -> None:
        name = source.label

        sent = False

        def report(state: Message) -> None:
            nonlocal sent
            sent = sent or state["stage"] == Stage.RECEIVING
            self._states[name] = state
            self._display.state(name, state)

        state = await self._client.upload(
            source.path, type=self._template, metadata=self._metadata, on_progress=report, wait=self._wait
        )
        location = _main_url(state)
        if self._download:
            location = str(await self._fetch(state["element"], self._download / source.results))
        self._display.result(name, state, location, existed=not sent)

    async def _fetch(self, element: Element, folder: Path) -> Path:
        """Download the outputs that are single files. HLS consists of many, and is played from the server."""
        for output in element["outputs"]:
            if output["kind"] != "hls":
                await self._client.download(output, folder)
        return folder

    async def _cancel_unsent(self) -> None:
        """Cancel the files that the server has not received completely; it completes the others."""
        active = {name: state for name, state in self._states.items() if not is_terminal(state)}
        for name, state in active.items():
            if state["stage"] != Stage.RECEIVING:
                self._display.note(f"{name}: the server continues. See `roomcast watch {state['uploadId']}`.")
        unsent = [name for name, state in active.items() if state["stage"] == Stage.RECEIVING]
        with suppress(TimeoutError):  # the server ends them when their reservation expires
            async with asyncio.timeout(_CANCEL_SECONDS):
                await asyncio.gather(*(exit_code_of(self._display, name, self._cancel(name)) for name in unsent))

    async def _cancel(self, name: str) -> None:
        self._display.state(name, await self._client.cancel(self._states[name]["uploadId"]))
        self._display.note(f"{name}: cancelled.")


async def watch(client: Client, display: Display, upload_id: str) -> ExitCode:
    """Show the progress of an upload until it ends, and return the exit code."""

    async def follow(name: str) -> None:
        state = await client.follow(upload_id, lambda state: display.state(name, state))
        display.result(name, state, _main_url(state))

    try:
        name = (await client.state(upload_id))["filename"]
    except ClientError as error:
        display.begin(upload_id)
        display.problem(upload_id, error)
        return exit_code_for(error.code)
    display.begin(name)
    return await exit_code_of(display, name, follow(name))


async def exit_code_of(display: Display, name: str, work: Coroutine[Any, Any, None]) -> ExitCode:
    """Await `work` and return its exit code. An error is shown."""
    try:
        await work
    except ClientError as error:
        display.problem(name, error)
        return exit_code_for(error.code)
    return ExitCode.COMPLETED


def _main_url(state: Message) -> str:
    """Return the URL of the main result, or an empty string before the end."""
    return state["element"]["outputs"][0]["url"] if is_terminal(state) else ""


def result_url(state: Message) -> str:
    """Return the URL of an upload's main result. Raise `ClientError` if it has none, or its error if it has failed."""
    if state["status"] == Status.ERROR:
        raise error_from_message(state["error"])
    if not is_terminal(state):
        raise ClientError(Code.WRONG_STATE.value, "The upload has no result yet.", retryable=True)
    return _main_url(state)
