"""An application's steps in the real server: they report, reject, fail, hang, are cancelled and are killed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support.harness import SHORT_LEASE, Api, RunningServer, RunningWorker, eventually
from tests.support.log_lines import log_lines
from tests.support.pages import examples
from tests.support.start_failures import start_failures
from tests.support.watchers import Watcher, assert_truthful

HOOKS = """
import asyncio, os, signal, threading, time
from pathlib import Path
from roomcast import Rejected
from tests.support.harness import eventually

FLAGS = Path(__file__).with_name("flags")

def register(roomcast):
    @roomcast.step("scan", after="fetch", seconds=60, text="Scanning for viruses", share=1)
    async def scan(job):
        how = job.source_path.read_text()
        await job.progress(0.5)
        if how == "raise":
            raise ValueError("no")
        if how == "reject":
            raise Rejected("INFECTED", "The file has a virus.")
        if how == "block":
            until = time.monotonic() + 1.3
            while time.monotonic() < until: pass
        if how == "kill" and not (FLAGS / "killed").exists():
            (FLAGS / "killed").touch()
            os.kill(os.getpid(), signal.SIGKILL)

    @roomcast.step("hang", after="scan", seconds=1.0)
    async def hang(job):
        if job.source_path.read_text() == "hang":
            await asyncio.Event().wait()

    @roomcast.step("wait", after="scan", seconds=60)
    def wait(job):
        if job.source_path.read_text() != "cancel": return
        (FLAGS / "waiting").touch()
        try:
            while True:
                job.progress(0.5)
                threading.Event().wait(0.01)
        finally:
            (FLAGS / "stopped").touch()

    @roomcast.step("report", before="storing", share=3, seconds=60)
    async def report(job):
        (job.work_dir / "details.json").write_text('{"of": "%s"}' % job.results[0].name)
        job.add_output(job.work_dir / "details.json", kind="details")

    @roomcast.on("completed")
    async def completed(upload):
        if upload.filename != "events.txt": return
        again = (FLAGS / "delivered").exists()
        if again:
            await eventually((FLAGS / "joined").exists, what="a client in the room")
        await roomcast.emit_latest(upload.id, "checking", {"percent": 50})
        if again:  # the next event would replace it in the queue of a client that is slow
            await eventually((FLAGS / "heard").exists, what="its arrival at the client")
        await roomcast.emit(upload.id, "checked", {"clean": True})
        if not (FLAGS / "delivered").exists():
            (FLAGS / "delivered").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        (FLAGS / "again").touch()

    @roomcast.step("late", after="storing")
    async def late(job):
        (job.work_dir / "page.png").write_bytes(b"no picture")
        job.add_output(job.work_dir / "page.png", kind="preview")
"""
MORE_HOOKS = """
import application_steps
register_example = register

def register(roomcast):
    register_example(roomcast)
    listen(roomcast)
    application_steps.register(roomcast)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("application")
    (folder / "flags").mkdir()
    (folder / "shop").mkdir()
    documented = examples("python")
    (folder / "shop" / "media.py").write_text(
        "\n".join((documented["step"].code, documented["listener"].code, MORE_HOOKS))
    )
    (folder / "application_steps.py").write_text(HOOKS)
    (folder / "roomcast.toml").write_text(examples("toml")["config"].code)
    return folder


@pytest.fixture(scope="module")
def settings(folder: Path) -> dict[str, str]:
    return {
        **SHORT_LEASE,
        "ROOMCAST_CONFIG": str(folder / "roomcast.toml"),
        "ROOMCAST_ATTEMPTS": "2",
        "ROOMCAST_RETRY_SECONDS": "0.01",
    }


@pytest.fixture
def flags(folder: Path) -> Iterator[Path]:
    yield folder / "flags"
    for flag in (folder / "flags").iterdir():
        flag.unlink()


async def sent(api: Api, watcher: Watcher, folder: Path, how: str, *, killed: bool = False) -> str:
    """Send a file whose content says how the steps behave, and join its room before. If the server is `killed`, that
    may be before it has answered."""
    upload_id, url = await api.reserved(f"{how}.txt", len(how), template="raw")
    await watcher.join(upload_id)
    with suppress(aiohttp.ClientError) if killed else nullcontext():
        assert (await api.put(url, how.encode())).status == 202
    return upload_id


async def test_steps_report_in_the_bar_and_their_outputs_are_listed_and_served(
    api: Api, watcher: Watcher, folder: Path
) -> None:
    upload_id = await sent(api, watcher, folder, "clean")
    last = await watcher.end(upload_id)
    assert last["status"] == "completed"
    outputs = {output["kind"]: output for output in last["element"]["outputs"]}
    assert list(outputs) == ["file", "report", "details", "preview"]
    assert json.loads((await api.request("GET", outputs["details"]["url"])).content) == {"of": "clean.txt"}
    reply = await api.request("GET", outputs["report"]["url"])
    assert json.loads(reply.content) == {"clean": True}
    assert reply.headers["Content-Disposition"].startswith("attachment; filename*=UTF-8''report.json")
    assert (await api.request("GET", outputs["preview"]["url"])).content == b"no picture"
    messages = watcher.messages(upload_id)
    assert_truthful(messages)
    assert "Scanning for viruses" in [message["message"] for message in messages]
    stages = [message["stage"] for message in watcher.events(upload_id)]
    assert list(dict.fromkeys(stages)) == [
        *("receiving", "queued", "fetching", "probing", "compressing", "thumbnails", "storing", "cleaning", "done")
    ]


@pytest.mark.parametrize(
    ("how", "attempts", "error"),
    [
        (
            "raise",
            2,
            {"code": "STEP_FAILED", "message": "The step scan failed.", "step": "scan", "retryable": True},
        ),
        (
            "hang",
            2,
            {
                "code": "STEP_FAILED",
                "message": "The step hang took longer than 1 s.",
                "step": "hang",
                "retryable": True,
            },
        ),
        (
            "EICAR",
            1,
            {"code": "INFECTED", "message": "The file has a virus.", "step": "virus-scan", "retryable": False},
        ),
        (
            "reject",
            1,
            {"code": "INFECTED", "message": "The file has a virus.", "step": "scan", "retryable": False},
        ),
    ],
)
async def test_step_that_fails_hangs_or_rejects_ends_the_upload_with_its_code(
    api: Api, watcher: Watcher, server: RunningServer, folder: Path, how: str, attempts: int, error: dict[str, Any]
) -> None:
    upload_id = await sent(api, watcher, folder, how)
    last = await watcher.end(upload_id)
    assert (last["status"], last["attempt"], last["error"]) == ("error", attempts, error)
    assert_truthful(watcher.messages(upload_id))
    assert server.scratch() == []
    if how == "reject":
        assert (await api.retry(upload_id)).refusal == (409, "WRONG_STATE")


async def test_cancel_is_acknowledged_when_the_thread_of_the_step_has_stopped(
    api: Api, watcher: Watcher, server: RunningServer, folder: Path, flags: Path
) -> None:
    upload_id = await sent(api, watcher, folder, "cancel")
    await eventually((flags / "waiting").exists, 60, what="the step at work")
    assert await watcher.cancel(upload_id) == {"ok": True}
    assert (flags / "stopped").exists()
    last = await watcher.end(upload_id)
    assert (last["stage"], last["error"]["code"], last["error"]["step"]) == ("cancelled", "CANCELLED", "wait")
    assert server.files_of(upload_id) == []


async def test_step_that_blocks_the_event_loop_is_named_in_the_log(
    api: Api, watcher: Watcher, server: RunningServer, folder: Path
) -> None:
    upload_id = await sent(api, watcher, folder, "block")
    await watcher.end(upload_id)
    logged = ("event_loop_blocked", "event_loop_was_blocked")
    named = {line["function"] for line in log_lines(server.log) if line["event"] in logged}
    assert "step scan" in named  # and others, if the process stood still in them


async def test_process_killed_in_a_step_starts_again_and_completes(
    api: Api, watcher: Watcher, server: RunningServer, folder: Path, flags: Path
) -> None:
    upload_id = await sent(api, watcher, folder, "kill", killed=True)
    await asyncio.to_thread(server.ended)
    server.restart()
    last = await api.finished(upload_id)
    assert (last["status"], last["attempt"]) == ("completed", 2)


async def test_event_is_delivered_again_after_a_kill_and_the_applications_own_events_are_replayed(
    api: Api, server: RunningServer, folder: Path, flags: Path
) -> None:
    async with Watcher(server.url) as watcher:
        upload_id = await sent(api, watcher, folder, "events", killed=True)
        await asyncio.to_thread(server.ended)
    server.restart()
    async with Watcher(server.url) as watcher:
        ack = await watcher.join(upload_id, since=1)
        (flags / "joined").touch()
        await watcher.wait_for_status(upload_id, "checking")
        (flags / "heard").touch()
        carried = {event["event"]["name"]: event for event in ack["events"] if "event" in event}
        assert carried["checked"]["event"]["payload"] == {"clean": True}
        assert [event["seq"] for event in ack["events"]] == list(range(2, ack["state"]["seq"] + 1))
        (checked,) = await watcher.wait_for_status(upload_id, "checked")  # of the second call
        assert checked["seq"] > ack["state"]["seq"]
        counted = await watcher.until(upload_id, lambda event: event.get("event", {}).get("name") == "counted")
        assert counted["event"]["payload"] == {"outputs": 4}
        assert [message["event"]["payload"] for message in watcher.live_messages(upload_id, "checking")] == [
            {"percent": 50}
        ]
        await eventually((flags / "again").exists, what="the end of the second call")
    stream = await api.request("GET", f"/api/uploads/{upload_id}/events", headers={"Last-Event-ID": "1"})
    assert stream.content.count(b"event: checked\n") == 2
    assert stream.content.count(b"event: checking\n") == 0


@pytest.mark.parametrize(
    ("hooks", "reason"),
    [
        (
            "def register(roomcast):\n    roomcast.step('scan', after='probbing')(print)",
            "The step scan runs after probbing, which does not exist. There are: fetching, ",
        ),
        ("import shop_is_not_installed", "The hook wrong_hooks, which "),
    ],
)
@pytest.mark.parametrize("process", [RunningServer, RunningWorker])
def test_wrong_hooks_prevent_the_start_in_one_sentence(
    process: type[RunningServer], hooks: str, reason: str, tmp_path: Path
) -> None:
    (tmp_path / "wrong_hooks.py").write_text(hooks)
    (tmp_path / "roomcast.toml").write_text('hooks = ["wrong_hooks"]')
    server = process(tmp_path / "data", ROOMCAST_CONFIG=str(tmp_path / "roomcast.toml"))
    assert server.run().code == 2
    (sentence,) = start_failures(server.log.read_text())
    assert sentence.startswith(reason)
