"""The stream of the multi-file dialect: all files of a submission, with the steps of their processing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import Serve, Shelf
from tests.support.harness import Api, HalfSent, RunningServer
from tests.support.streams import StreamWatcher
from tests.support.tokens import SECRET, token

FIELDS = {
    "uploadId", "templateId", "branch", "status", "totalFiles", "completedFiles", "files", "user", "createdAt",
    "updatedAt",
}  # fmt: skip


def stream(server: RunningServer, asked: str, last_id: str | None = None, *, bearer: str = "") -> StreamWatcher:
    headers = {"Last-Event-ID": last_id} if last_id is not None else {}
    headers |= {"Authorization": f"Bearer {bearer}"} if bearer else {}
    return StreamWatcher(f"{server.url}/api/transflow/stream?uploadId={asked}", headers=headers)


def named(watcher: StreamWatcher, name: str) -> list[dict[str, Any]]:
    return [received.message for received in watcher.received if received.name == name]


async def any_received(watcher: StreamWatcher) -> None:
    """Wait for the first event."""
    await watcher.wait_until(lambda: watcher.received)


def steps_of(steps: list[dict[str, Any]], upload_id: str) -> list[tuple[str, str | None]]:
    """The steps of one upload, whose id is in the key of its file and of its outputs."""
    return [(step["type"], step.get("step")) for step in steps if upload_id in step.get("key", "").split("/")]


def ends(steps: list[dict[str, Any]]) -> list[str]:
    """Return the types of the steps about all files together."""
    return [step["type"] for step in steps if "key" not in step]


async def test_stream_has_all_files_of_a_submission(server: RunningServer, api: Api, shelf: Shelf) -> None:
    files = shelf.image("one.png"), shelf.image("two.png", size=(60, 40))
    reserved = (await api.reserve(*((file.name, file.stat().st_size) for file in files))).body
    ids = [entry["uploadId"] for entry in reserved["uploads"]]
    async with stream(server, ids[1]) as watcher:
        await watcher.wait_until(lambda: named(watcher, "message"))
        (first,) = named(watcher, "message")
        assert first.keys() == FIELDS
        assert (first["uploadId"], first["templateId"], first["branch"]) == (ids[1], "auto", "main")
        assert (first["status"], first["totalFiles"], first["completedFiles"]) == ("uploading", 2, 0)
        assert first["user"] == {"userId": "anonymous"}
        assert [(file["filename"], file["key"]) for file in first["files"]] == [
            ("one.png", f"uploads/main/anonymous/{ids[0]}/one.png"),
            ("two.png", f"uploads/main/anonymous/{ids[1]}/two.png"),
        ]
        for file, entry in zip(files, reserved["uploads"], strict=True):
            await api.put(entry["contentUrl"], file.read_bytes())
        await watcher.closed()
    overviews, steps = named(watcher, "message"), named(watcher, "step")
    last = overviews[-1]
    assert (last["status"], last["completedFiles"]) == ("completed", 2)
    for number, upload_id in enumerate(ids):
        bar = [overview["files"][number]["progress"] for overview in overviews]
        assert bar == sorted(bar)
        assert bar[-1] == 100
        found = steps_of(steps, upload_id)
        assert found[0] == ("start", None)
        assert found[-1] == ("output", None)
        element = (await api.get(upload_id)).body["element"]
        outputs = last["files"][number]["outputFiles"]
        assert [output["key"] for output in outputs] == [output["key"] for output in element["outputs"]]
        assert (await api.request("GET", outputs[0]["url"])).status == 200
        assert [kind for kind, _ in found].count("output") == len(outputs)
    assert ends(steps) == ["done"]
    assert steps[-1]["message"] == "All processing completed successfully"


async def test_stream_of_a_completed_submission_replays_every_step(
    server: RunningServer, api: Api, shelf: Shelf
) -> None:
    reply = await api.upload(shelf.image("one.png"), shelf.image("two.png", size=(60, 40)))
    for entry in reply.body["uploads"]:
        await api.finished(entry["uploadId"])
    found = []
    for asked in (reply.body["uploadId"], reply.body["assemblyId"]):
        async with stream(server, asked) as watcher:
            await watcher.closed()
        assert [overview["status"] for overview in named(watcher, "message")] == ["completed"]
        steps = named(watcher, "step")
        found.append([{**step, "uploadId": "", "channel": ""} for step in steps])
        assert {step["uploadId"] for step in steps} == {asked}
        for entry in reply.body["uploads"]:
            assert steps_of(steps, entry["uploadId"])[0] == ("start", None)
        assert (ends(steps), steps[-1]["type"]) == (["done"], "done")
        async with stream(server, asked, watcher.last_id) as again:
            assert again.status == 204
    assert found[0] == found[1]


async def test_stream_resumes_after_the_last_event_id(server: RunningServer, api: Api, shelf: Shelf) -> None:
    files = shelf.image("one.png"), shelf.image("two.png", size=(60, 40))
    reserved = (await api.reserve(*((file.name, file.stat().st_size) for file in files))).body
    first, second = reserved["uploads"]
    async with stream(server, first["uploadId"]) as begun:
        await api.put(first["contentUrl"], files[0].read_bytes())
        await begun.wait_until(lambda: any(one["completedFiles"] == 1 for one in named(begun, "message")))
    await api.put(second["contentUrl"], files[1].read_bytes())
    await api.finished(second["uploadId"])
    async with stream(server, first["uploadId"], begun.last_id) as rest:
        await rest.closed()
    async with stream(server, first["uploadId"]) as whole:
        await whole.closed()
    for entry in reserved["uploads"]:
        parts = steps_of(named(begun, "step") + named(rest, "step"), entry["uploadId"])
        assert parts == steps_of(named(whole, "step"), entry["uploadId"])
    assert [ends(named(part, "step")) for part in (begun, rest, whole)] == [[], ["done"], ["done"]]


async def test_submission_with_a_failed_file_has_no_done_step(server: RunningServer, api: Api, shelf: Shelf) -> None:
    picture = shelf.image(size=(70, 40))
    reserved = (await api.reserve((picture.name, picture.stat().st_size), ("never.png", 10))).body
    first, second = reserved["uploads"]
    await api.put(first["contentUrl"], picture.read_bytes())
    await api.finished(first["uploadId"])
    await api.cancel(second["uploadId"])
    async with stream(server, first["uploadId"]) as watcher:
        await watcher.closed()
    assert ends(named(watcher, "step")) == []
    assert steps_of(named(watcher, "step"), second["uploadId"])[-1] == ("error", None)
    assert named(watcher, "message")[-1]["status"] == "error"


async def test_stream_starts_with_the_state_at_a_position_of_another_log(server: RunningServer, api: Api) -> None:
    upload_id, _ = await api.reserved("clip.mp4", 100)
    for identity in ("another:1", "99"):
        async with stream(server, upload_id, identity) as watcher:
            await any_received(watcher)
            assert [received.name for received in watcher.received] == ["message"]


async def test_progress_grows_while_bytes_arrive(server: RunningServer, api: Api, shelf: Shelf) -> None:
    content = shelf.image().read_bytes()
    upload_id, url = await api.reserved("picture.png", len(content))
    async with stream(server, upload_id) as watcher, HalfSent(server, "PUT", url, content, first=len(content) // 2):
        await watcher.wait_until(lambda: any(found["files"][0]["progress"] > 0 for found in named(watcher, "message")))
        assert watcher.ids[-1] is None, "a reading leaves the position alone"


async def test_error_step_has_its_code(server: RunningServer, api: Api) -> None:
    upload_id, _ = await api.reserved("clip.mp4", 100)
    async with stream(server, upload_id) as watcher:
        await api.cancel(upload_id)
        await watcher.closed()
    *_, last = named(watcher, "step")
    assert (last["type"], last["code"]) == ("error", "CANCELLED")
    assert last["details"] == {"step": "upload", "file": "clip.mp4"}
    assert named(watcher, "message")[-1]["status"] == "error"


@pytest.mark.parametrize(
    ("asked", "refusal"),
    [
        ("", (400, "MALFORMED")),
        ("upload_" + "0" * 32, (404, "NOT_FOUND")),
        ("0" * 64, (404, "NOT_FOUND")),
        ("x", (404, "NOT_FOUND")),
    ],
)
async def test_stream_of_an_unknown_id_is_refused(api: Api, asked: str, refusal: tuple[int, str]) -> None:
    assert (await api.request("GET", "/api/transflow/stream", params={"uploadId": asked})).refusal == refusal


async def test_malformed_position_is_refused(api: Api) -> None:
    upload_id, _ = await api.reserved("clip.mp4", 100)
    for identity in ("1,2", "e:1,", "nonsense!"):
        headers = {"Last-Event-ID": identity}
        reply = await api.request("GET", "/api/transflow/stream", params={"uploadId": upload_id}, headers=headers)
        assert reply.refusal == (400, "MALFORMED")


async def test_stream_is_served_to_the_owner_only(serve: Serve) -> None:
    server = serve(JWT_SECRET=SECRET)
    async with Api(server, token("ada")) as ada:
        upload_id, _ = await ada.reserved("clip.mp4", 100)
    for bearer, status in ((token("ada"), 200), (token("bob"), 403), ("", 401)):
        async with stream(server, upload_id, bearer=bearer) as watcher:
            assert watcher.status == status
