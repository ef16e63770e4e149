"""Seed document 001, "Real-time Progress Tracking Implementation": its front end runs unchanged against the server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self
from urllib.parse import urljoin

import pytest

from tests.conftest import Serve, Shelf
from tests.e2e.conftest import FakeFfmpeg
from tests.support.harness import SHORT_LEASE, Api, RunningServer
from tests.support.node_host import NodeProgram
from tests.support.tokens import SECRET, token

pytestmark = [pytest.mark.node, pytest.mark.usefixtures("node")]

SCRIPT = Path(__file__).with_name("seed_001.mjs")
STATUSES = ["starting", "compressing", "uploading", "completed"]


class FrontEnd:
    """The document's front end in a Node process. `progress`: what its `onUploadProgress` was called with."""

    def __init__(self, server: RunningServer, **options: Any) -> None:
        self.created: list[dict[str, Any]] = []
        self.progress: list[dict[str, Any]] = []
        self.hooks: list[dict[str, Any]] = []
        self.connections = 0
        self.refusals = 0
        self._program = NodeProgram(SCRIPT, server.url, json.dumps(options))
        self._news = asyncio.Event()

    async def __aenter__(self) -> Self:
        await self._program.__aenter__()
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._program.end_input()
        await self._reading
        await self._program.__aexit__(None, None, None)

    async def _read(self) -> None:
        async for line in self._program.lines():
            match line:
                case {"name": "created", "status": status, "body": body}:
                    self.created.append({"status": status, **body})
                case {"name": "progress", "progress": progress}:
                    self.progress.append(progress)
                case {"name": "hook", "hook": hook}:
                    self.hooks.append(hook)
                case {"name": "connect"}:
                    self.connections += 1
                case {"name": "connect_error"}:
                    self.refusals += 1
            self._news.set()

    async def do(self, **command: Any) -> None:
        await self._program.write(command)

    async def fact(self, holds: Callable[[], Any], deadline: float = 60.0) -> None:
        """Wait until `holds`, looking at every piece of news."""
        async with asyncio.timeout(deadline):
            while not holds():
                self._news.clear()
                await self._news.wait()

    async def create(self, file: Path, kind: str = "hero-video") -> dict[str, Any]:
        """`handleUpload`: the answer to the form."""
        count = len(self.created)
        await self.do(create=str(file), type=kind)
        await self.fact(lambda: len(self.created) > count)
        return self.created[-1]

    async def first_progress(self, upload_id: str, status: str) -> dict[str, Any]:
        """The first progress of that status."""

        def matching() -> list[dict[str, Any]]:
            return [one for one in self.progress if (one["uploadId"], one["status"]) == (upload_id, status)]

        await self.fact(matching)
        return matching()[0]

    async def hook(self) -> dict[str, Any]:
        """What the component would render now."""
        count = len(self.hooks)
        await self.do(hook=True)
        await self.fact(lambda: len(self.hooks) > count)
        return self.hooks[-1]


@pytest.fixture(scope="module")
def settings(fake: FakeFfmpeg) -> dict[str, str]:
    return {**fake.env, "ROOMCAST_ATTEMPTS": "1"}


@pytest.fixture(autouse=True)
def healthy(fake: FakeFfmpeg) -> None:
    fake.heal()


async def test_form_response_has_message_element_and_upload_id(server: RunningServer, shelf: Shelf) -> None:
    async with FrontEnd(server) as page:
        answer = await page.create(shelf.clip())
    assert answer["status"] == 202
    assert isinstance(answer["message"], str)
    assert answer["message"]
    assert answer["element"]["id"] == answer["uploadId"]
    assert answer["element"]["type"] == "hero-video"
    assert answer["element"]["filename"] == "clip.mp4"


async def test_tracked_upload_is_reported_until_completion_with_the_element(
    server: RunningServer, api: Api, shelf: Shelf, fake: FakeFfmpeg
) -> None:
    fake.behave("busy")
    async with FrontEnd(server) as page:
        upload_id = (await page.create(shelf.clip()))["uploadId"]
        await page.first_progress(upload_id, "compressing")
        during = await page.hook()
        assert (during["isUploading"], during["isCompleted"], during["isError"]) == (True, False, False)
        fake.heal()
        await page.first_progress(upload_id, "completed")
        after = await page.hook()
    for progress in page.progress:
        assert progress["uploadId"] == upload_id
        assert progress["status"] in STATUSES
        assert 0 <= progress["progress"] <= 100
        assert isinstance(progress["message"], str)
        assert ("element" in progress) == (progress["status"] == "completed")
    order = [STATUSES.index(progress["status"]) for progress in page.progress]
    assert order == sorted(order)
    assert (after["isUploading"], after["isCompleted"], after["error"]) == (False, True, None)
    assert after["progress"]["progress"] == 100
    reply = await api.request("GET", urljoin(server.url, after["progress"]["element"]["url"]))
    assert (reply.status, reply.headers["Content-Type"]) == (200, "video/mp4")


async def test_cancelled_upload_ends_with_an_error_that_names_the_cancel(
    server: RunningServer, shelf: Shelf, fake: FakeFfmpeg
) -> None:
    fake.behave("busy")
    async with FrontEnd(server) as page:
        upload_id = (await page.create(shelf.clip()))["uploadId"]
        await page.first_progress(upload_id, "compressing")
        await page.do(cancel=upload_id)
        reported = await page.first_progress(upload_id, "error")
        hook = await page.hook()
    assert reported["error"]["code"] == "CANCELLED"
    assert (hook["isUploading"], hook["isError"], hook["error"]) == (False, True, reported["message"])
    assert "element" not in reported


async def test_failed_upload_has_its_reason_and_completes_after_a_retry(
    server: RunningServer, shelf: Shelf, fake: FakeFfmpeg
) -> None:
    fake.behave("die-after:8")
    async with FrontEnd(server) as page:
        upload_id = (await page.create(shelf.clip()))["uploadId"]
        failed = await page.first_progress(upload_id, "error")
        assert failed["message"]
        assert failed["error"]["retryable"]
        fake.behave("busy")
        await page.do(retry=upload_id)
        await page.do(track=upload_id)
        await page.fact(lambda: page.progress[-1]["status"] == "compressing")
        fake.heal()
        await page.first_progress(upload_id, "completed")
        hook = await page.hook()
    assert (hook["isCompleted"], hook["isError"], hook["error"]) == (True, False, None)


async def test_room_has_messages_of_its_upload_only(server: RunningServer, shelf: Shelf, fake: FakeFfmpeg) -> None:
    fake.behave("busy")
    async with FrontEnd(server) as one, FrontEnd(server) as other:
        pages = {(await page.create(shelf.clip()))["uploadId"]: page for page in (one, other)}
        for upload_id, page in pages.items():
            await page.first_progress(upload_id, "compressing")
        fake.heal()
        for upload_id, page in pages.items():
            await page.first_progress(upload_id, "completed")
            assert {progress["uploadId"] for progress in page.progress} == {upload_id}


async def test_client_reconnects_after_a_lost_connection_and_gets_the_end(
    serve: Serve, shelf: Shelf, fake: FakeFfmpeg
) -> None:
    fake.behave("busy")
    server = serve(**fake.env, **SHORT_LEASE)
    async with FrontEnd(server) as page:
        upload_id = (await page.create(shelf.clip()))["uploadId"]
        await page.first_progress(upload_id, "compressing")
        server.kill()
        server.restart()
        await page.fact(lambda: page.connections == 2)
        fake.heal()
        await page.first_progress(upload_id, "completed")


async def test_upload_and_join_need_a_token_if_authentication_is_on(
    serve: Serve, shelf: Shelf, fake: FakeFfmpeg
) -> None:
    server = serve(**fake.env, JWT_SECRET=SECRET)
    clip = shelf.clip()
    async with FrontEnd(server) as page:
        await page.fact(lambda: page.refusals)
        assert (await page.create(clip))["status"] == 401
        assert page.connections == 0
    fake.behave("busy")
    async with FrontEnd(server, token=token("ada")) as page:
        upload_id = (await page.create(clip))["uploadId"]
        await page.first_progress(upload_id, "compressing")
        fake.heal()
        await page.first_progress(upload_id, "completed")


async def test_file_of_another_type_is_refused_with_a_sentence(server: RunningServer, shelf: Shelf) -> None:
    picture = shelf.image()
    async with FrontEnd(server) as page:
        refused = await page.create(picture, "hero-video")
        assert refused["status"] == 415
        assert refused["error"]["message"]
        assert page.progress == []


async def test_demo_is_served_at_the_documented_path(api: Api) -> None:
    there = await api.request("GET", "/admin/progress-demo", allow_redirects=False)
    assert (there.status, there.headers["Location"]) == (302, "../progress-demo")
    here = await api.request("GET", "/progress-demo")
    assert here.status == 200
    assert here.headers["Content-Type"].startswith("text/html")


async def test_join_of_an_ended_upload_emits_its_final_state(server: RunningServer, api: Api, shelf: Shelf) -> None:
    done = await api.accepted(shelf.image())
    await api.finished(done)
    cancelled, _ = await api.reserved("clip.mp4", 100)
    await api.cancel(cancelled)
    async with FrontEnd(server) as page:
        await page.do(track=done)
        reported = await page.first_progress(done, "completed")
        assert (reported["progress"], reported["element"]["id"]) == (100, done)
        assert (await page.hook())["isCompleted"]
        await page.do(track=cancelled)
        assert (await page.first_progress(cancelled, "error"))["error"]["code"] == "CANCELLED"


async def test_join_of_an_idle_upload_emits_its_state(server: RunningServer, api: Api) -> None:
    upload_id, _ = await api.reserved("clip.mp4", 100)
    async with FrontEnd(server) as page:
        await page.do(track=upload_id)
        reported = await page.first_progress(upload_id, "starting")
        assert reported["progress"] == 0
        assert "element" not in reported
        assert (await page.hook())["isUploading"]


async def test_join_after_a_retry_emits_the_new_attempt_and_not_the_failure(
    server: RunningServer, api: Api, shelf: Shelf, fake: FakeFfmpeg
) -> None:
    fake.behave("die")
    upload_id = await api.accepted(shelf.clip())
    await api.finished(upload_id)
    fake.behave("busy")
    await api.retry(upload_id)
    await api.until(upload_id, lambda message: message["status"] == "compressing")
    async with FrontEnd(server) as page:
        await page.do(track=upload_id)
        await page.fact(lambda: page.progress)
        assert page.progress[0]["status"] == "compressing"
        fake.heal()
        await page.first_progress(upload_id, "completed")
        assert all("error" not in progress for progress in page.progress)


async def test_end_of_a_small_upload_is_received_however_late_its_room_is_joined(
    server: RunningServer, shelf: Shelf
) -> None:
    async with FrontEnd(server) as page:
        for number in range(5):
            created = await page.create(shelf.image(f"{number}.png", size=(64, 60 + number)), "image")
            await page.first_progress(created["uploadId"], "completed")
