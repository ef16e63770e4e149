"""Films in segments on a real server: what is done is never done again after a kill, a stop or a cancel."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import FakeFfmpeg
from tests.support.clips import make_film
from tests.support.decoded import packets
from tests.support.film_viewer import FilmViewer
from tests.support.harness import SHORT_LEASE, Api, RunningServer, eventually
from tests.support.log_lines import log_lines
from tests.support.watchers import Watcher


@pytest.fixture
async def api(server: RunningServer, fake: FakeFfmpeg) -> AsyncIterator[Api]:
    async with Api(server) as opened:
        yield opened
    fake.heal()


HOOKS = """
import os, signal
from pathlib import Path

FLAG = Path(__file__).with_name("kill")

def register(roomcast):
    for number, step in enumerate(("storyboard", "store")):
        add_step(roomcast, number, step)

def add_step(roomcast, number, step):
    @roomcast.step(f"kill-{number}", after=step, share=1)
    async def kill(job):
        await job.progress(0.9)
        if FLAG.exists() and FLAG.read_text() == step:
            FLAG.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("application")
    (folder / "killing_steps.py").write_text(HOOKS)
    (folder / "roomcast.toml").write_text('hooks = ["killing_steps"]\n')
    return folder


@pytest.fixture(scope="module")
def settings(fake: FakeFfmpeg, folder: Path) -> dict[str, str]:
    return {**fake.env, **SHORT_LEASE, "ROOMCAST_CONFIG": str(folder / "roomcast.toml")}


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_film(tmp_path_factory.mktemp("films") / "film.mp4", "-pix_fmt", "yuv444p", seconds=32, sound=True)


def logged(server: RunningServer, event: str, upload_id: str) -> list[dict[str, Any]]:
    return [line for line in log_lines(server.log) if line["event"] == event and line.get("upload") == upload_id]


def completed_tasks(server: RunningServer, upload_id: str) -> list[int]:
    return [line["task"] for line in logged(server, "task_ended", upload_id) if line["outcome"] == "completed"]


def result(server: RunningServer, message: dict[str, Any]) -> Path:
    return server.data / "media" / str(message["element"]["outputs"][0]["key"])


TASKS = [0, 1, 2, 3]


async def partly_done(server: RunningServer, api: Api, fake: FakeFfmpeg, film: Path, *, count: int) -> str:
    """A film of which so many segments are done, each of eight seconds, while the next ones take long."""
    fake.behave(f"busy-from:{8 * count}")
    upload_id = await api.accepted(film)
    await eventually(lambda: len(completed_tasks(server, upload_id)) == count, 60)
    await eventually(server.ffmpegs, 60)
    return upload_id


async def test_killed_process_makes_no_segment_again(
    server: RunningServer, api: Api, fake: FakeFfmpeg, film: Path
) -> None:
    upload_id = await partly_done(server, api, fake, film, count=2)
    # Once the coordinator of the film has seen both segments, which it may have read one by one.
    before = await api.until(upload_id, lambda message: "playable" in message and message["progress"] >= 40)
    viewer = FilmViewer(api, before["playable"]["url"])
    assert not (await viewer.read()).complete
    server.kill()
    fake.heal()
    server.restart()
    resumed = await api.until(upload_id, lambda message: message["attempt"] == 2)
    assert resumed["progress"] >= before["progress"]
    await viewer.read()
    done = await api.finished(upload_id)
    assert (done["status"], done["attempt"]) == ("completed", 2)
    assert (await viewer.read()).complete
    assert sorted(completed_tasks(server, upload_id)) == TASKS
    assert len(packets(result(server, done), "v")) == 160


async def test_bar_does_not_fall_when_the_process_is_killed_after_the_segments(
    server: RunningServer, api: Api, folder: Path, film: Path
) -> None:
    shown = list[dict[str, Any]]()
    flag = folder / "kill"
    upload_id, url = await api.reserved("film.mp4", film.stat().st_size)
    flag.write_text("storyboard")
    for following in ("store", ""):
        async with Watcher(server.url) as watcher:
            await watcher.join(upload_id)
            if following:
                assert (await api.put(url, film.read_bytes())).status == 202
            await asyncio.to_thread(server.ended)
            shown += watcher.messages(upload_id)
        if following:
            flag.write_text(following)
        server.restart()
    done = await api.finished(upload_id)
    assert (done["status"], done["attempt"]) == ("completed", 3)
    assert sorted(completed_tasks(server, upload_id)) == TASKS
    bar = [(message["progress"], message["stage"]) for message in shown]
    assert [progress for progress, _ in bar] == sorted(progress for progress, _ in bar), bar
    async with Watcher(server.url) as watcher:  # what a process wrote before it was killed may not have been sent
        events = (await watcher.join(upload_id, since=0))["events"]
    stages = {(event["attempt"], event["stage"]) for event in events}
    assert stages >= {(1, "compressing"), (1, "thumbnails"), (2, "storing")}


async def test_stopped_process_hands_its_film_back(
    server: RunningServer, api: Api, fake: FakeFfmpeg, film: Path
) -> None:
    upload_id = await partly_done(server, api, fake, film, count=1)
    assert server.terminate().code == 0
    fake.heal()
    server.restart()
    done = await api.finished(upload_id)
    assert (done["status"], done["attempt"]) == ("completed", 1)
    assert sorted(completed_tasks(server, upload_id)) == TASKS
    assert len(packets(result(server, done), "v")) == 160


async def test_cancel_of_a_film_leaves_no_program_and_no_file(
    server: RunningServer, api: Api, fake: FakeFfmpeg, film: Path
) -> None:
    upload_id = await partly_done(server, api, fake, film, count=3)
    assert (await api.cancel(upload_id)).status == 200
    assert server.ffmpegs() == []
    ended = await api.finished(upload_id)
    assert ended["error"]["code"] == "CANCELLED"
    assert server.files_of(upload_id) == []
    assert server.error_lines() == []
