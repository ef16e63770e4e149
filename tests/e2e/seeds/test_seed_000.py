"""A dashboard that chooses the id of its upload and tracks all files of it at once, over a stream and a queue."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.conftest import Shelf
from tests.e2e.seeds.node_program import Line, of_kind, run_program
from tests.e2e.test_transflow import ends, named, stream
from tests.support.harness import ROOT, Api, Reply, RunningServer, eventually
from tests.support.pages import DOCS, table
from tests.support.s3_server import BUCKET, ENVIRONMENT, S3Server, moto_server
from tests.support.tokens import SECRET, token
from tests.support.tus import Tus
from tests.support.watchers import Watcher

QUEUE = "myapp-progress.fifo"
ADA, BOB = token("ada"), token("bob")
UUID = "c7d6a1de-7b0f-4c5e-8a11-0d2f1a3b4c5d"
OF_VERSION_1 = "3f2504e0-4f89-11d3-9a0c-0305e82c3301"


@pytest.fixture(scope="module")
def cloud() -> Iterator[S3Server]:
    """S3 and SQS."""
    with moto_server() as running:
        yield running


@pytest.fixture(scope="module")
def queue(cloud: S3Server) -> Iterator[Any]:
    keys = {"aws_access_key_id": "S3RVER", "aws_secret_access_key": "S3RVER", "region_name": "us-east-1"}
    client = boto3.client("sqs", endpoint_url=cloud.url, **keys)
    client.create_queue(QueueName=QUEUE, Attributes={"FifoQueue": "true"})
    yield client
    client.close()


@pytest.fixture(scope="module")
def settings(cloud: S3Server, queue: Any) -> dict[str, str]:
    return {
        **ENVIRONMENT,
        "AWS_ENDPOINT_URL": cloud.url,
        "S3_BUCKET": BUCKET,
        "SQS_PROGRESS_QUEUE_NAME": QUEUE,
        "JWT_SECRET": SECRET,
    }


@pytest.fixture
async def ada(server: RunningServer) -> AsyncIterator[Api]:
    async with Api(server, ADA) as client:
        yield client


def messages_of(queue: Any) -> list[Line]:
    """Every message that is in the queue."""
    url = queue.get_queue_url(QueueName=QUEUE)["QueueUrl"]
    found: list[Line] = []
    while received := queue.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for one in received:
            found.append(json.loads(one["Body"]))
            queue.delete_message(QueueUrl=url, ReceiptHandle=one["ReceiptHandle"])
    return found


async def published(queue: Any, upload_id: str) -> list[Line]:
    """The messages of a submission in the queue, once all is done."""
    found: list[Line] = []

    def done() -> bool:
        found.extend(one for one in messages_of(queue) if one["uploadId"] == upload_id)
        return any(one["type"] == "done" for one in found)

    await eventually(done, 60, what="the end in the queue")
    return found


async def reserve(api: Api, *chosen: Any, **more: Any) -> Reply:
    files = [{"filename": f"{number}.mp4", "size": 100, "uploadId": one} for number, one in enumerate(chosen)]
    return await api.request("POST", "/api/uploads", json={"files": files, **more})


@pytest.mark.node
async def test_files_are_tracked_under_the_clients_id_from_before_the_first_byte_to_the_end(
    node: None, server: RunningServer, shelf: Shelf, cloud: S3Server, queue: Any
) -> None:
    if not (ROOT / "static" / "node_modules" / "eventsource").is_dir():
        pytest.skip("static/node_modules is missing: `make setup` brings it where npm is installed")
    files = shelf.clip("video.mp4", seconds=1), shelf.image("one.png")
    lines = await run_program("upload_tracker.mjs", server.url, ADA, "ada", *map(str, files))

    ((reserved,),) = [of_kind(lines, "reserved")]
    upload_id = reserved["uploadId"]
    assert reserved["status"] == 201
    assert reserved["reserved"]["uploadId"] == upload_id
    ids = [entry["uploadId"] for entry in reserved["reserved"]["uploads"]]
    assert ids[0] == upload_id

    progress = [one["progress"] for one in of_kind(lines, "progress")]
    assert {one["uploadId"] for one in progress} == {upload_id}
    assert (progress[0]["status"], progress[0]["totalFiles"], progress[0]["completedFiles"]) == ("uploading", 2, 0)
    assert progress[0]["files"][0]["progress"] == 0, "nothing was sent yet"
    keys = [f"uploads/main/ada/{one}/{file.name}" for one, file in zip(ids, files, strict=True)]
    for one in progress:
        assert one["user"] == {"userId": "ada"}
        assert [file["key"] for file in one["files"]] == keys
    ((tracking,),) = [of_kind(lines, "tracking")]
    assert tracking["progress"]["files"][0]["key"] == keys[0], "the key that the client works out by itself"
    assert {one["fields"]["userId"] for one in of_kind(lines, "tracked")} == {"ada"}
    last = progress[-1]
    assert (last["status"], last["completedFiles"]) == ("completed", 2)
    for file in last["files"]:
        assert file["outputFiles"]
        for output in file["outputFiles"]:
            check_is_an_object(cloud, output)

    steps = [one["step"] for one in of_kind(lines, "step")]
    check_steps(steps, upload_id, keys[0])
    for step in steps:
        if step["type"] == "output":
            check_is_an_object(cloud, step)
    in_queue = await published(queue, upload_id)
    assert sorted(map(json.dumps, in_queue)) == sorted(map(json.dumps, steps)), "the queue says what the stream says"
    assert in_queue[-1]["type"] == "done"


def check_is_an_object(cloud: S3Server, output: Line) -> None:
    """An output's bucket and key are those of an object."""
    assert output["bucket"] == BUCKET
    assert output["key"].endswith(f"/{output['name']}")
    assert cloud.head(output["key"])["ContentLength"] > 0


def check_steps(steps: list[Line], upload_id: str, key: str) -> None:
    """The steps of the film, and the end of all."""
    assert {step["uploadId"] for step in steps} == {upload_id}
    film = [step for step in steps if step.get("key") == key]
    assert (film[0]["type"], film[0]["templateId"]) == ("start", "auto")
    texts = {(step["type"], step.get("step")): step["message"] for step in film}
    assert texts["step:start", "transcode"] == "Starting video transcoding"
    assert texts["step:done", "transcode"] == "Video transcoding completed"
    started = [step["step"] for step in film if step["type"] == "step:start"]
    assert started == [step["step"] for step in film if step["type"] == "step:done"], "each is completed, in order"
    for one in started:
        assert texts["step:start", one] != texts["step:done", one]
    assert ends(steps) == ["done"], "one for all files"
    assert (steps[-1]["type"], steps[-1]["message"]) == ("done", "All processing completed successfully")


async def test_failed_file_is_an_error_step_and_its_submission_is_not_done(
    server: RunningServer, ada: Api, shelf: Shelf, tmp_path: Path
) -> None:
    broken = tmp_path / "video.mp4"
    broken.write_bytes(shelf.clip(seconds=1).read_bytes()[:3000])
    chosen = str(uuid.uuid4())
    reply = await ada.request("POST", "/api/uploads", json={"uploadId": chosen, "files": [{"filename": broken.name}]})
    await ada.put(reply.body["uploads"][0]["contentUrl"], broken.read_bytes())
    async with stream(server, chosen, bearer=ADA) as watcher:
        await watcher.closed()
    error = named(watcher, "step")[-1]
    assert (error["type"], error["code"], error["uploadId"]) == ("error", "UNREADABLE_MEDIA", chosen)
    assert error["details"] == {"step": "transcode", "file": "video.mp4"}
    assert error["message"] == named(watcher, "message")[-1]["files"][0]["message"]
    assert ends(named(watcher, "step")) == []


async def test_chosen_id_can_be_joined_only_after_it_is_reserved(server: RunningServer, ada: Api) -> None:
    chosen = str(uuid.uuid4())
    async with (
        Watcher(server.url, auth={"token": ADA}) as watcher,
        Watcher(server.url, auth={"token": BOB}) as other,
    ):
        early = await watcher.call("join-upload", chosen)
        assert (early["ok"], early["error"]["code"]) == (False, "NOT_FOUND")
        missing = await ada.request("GET", "/api/transflow/stream", params={"uploadId": chosen})
        assert missing.refusal == (404, "NOT_FOUND")
        reply = await reserve(ada, chosen)
        assert (reply.status, reply.body["uploadId"], reply.body["state"]["uploadId"]) == (201, chosen, chosen)
        joined = await watcher.call("join-upload", chosen)
        assert (joined["ok"], joined["state"]["stage"]) == (True, "receiving")
        foreign = await other.call("join-upload", chosen)
        assert foreign["error"]["code"] == "FORBIDDEN"
        assert "ada" not in json.dumps(foreign)
        assert (await ada.cancel(chosen)).status == 200
        assert (await watcher.end(chosen))["error"]["code"] == "CANCELLED"


@pytest.mark.parametrize(
    "chosen",
    [
        "", "upload_" + "0" * 32, "00000000-0000-0000-0000-000000000000", OF_VERSION_1, UUID.upper(),
        UUID.replace("-", ""), f"{{{UUID}}}", f"{UUID}\n", f" {UUID}", f"../{UUID}",
        "c7d6a1de-7b0f-4c5e-0a11-0d2f1a3b4c5d", "x" * 5000, 7, [UUID],
    ],
    ids=lambda chosen: re.sub(r"[0-9a-fA-F]{6,}", "…", repr(chosen))[:30],
)  # fmt: skip
@pytest.mark.parametrize("place", ["file", "top"])
async def test_chosen_id_that_is_no_uuid_of_version_4_is_refused(ada: Api, chosen: Any, place: str) -> None:
    reply = await (reserve(ada, chosen) if place == "file" else reserve(ada, None, uploadId=chosen))
    assert reply.refusal == (400, "MALFORMED")
    (field,) = reply.body["error"]["details"]["fields"]
    assert field["at"] == ("files.0.uploadId" if place == "file" else "uploadId")


async def test_contradicting_ids_are_refused(ada: Api) -> None:
    one, other = str(uuid.uuid4()), str(uuid.uuid4())
    for reply in (
        await reserve(ada, one, one),
        await reserve(ada, one, uploadId=other),
        await reserve(ada, None, one, uploadId=one),
    ):
        assert reply.refusal == (400, "MALFORMED")
    assert (await ada.get(one)).refusal == (404, "NOT_FOUND"), "nothing was reserved"


async def test_chosen_id_in_use_is_refused_without_naming_its_owner(
    server: RunningServer, ada: Api, cloud: S3Server
) -> None:
    chosen, other = str(uuid.uuid4()), str(uuid.uuid4())
    assert (await reserve(ada, chosen, None, other)).status == 201
    before = (await ada.get(chosen)).body
    async with Api(server, BOB) as bob:
        answers = [await reserve(api, str(uuid.uuid4()), one) for api in (ada, bob) for one in (chosen, other)]
        answers.append(await reserve(bob, chosen, direct=True))
        listed = (await bob.list()).body["uploads"]
        assert (await bob.get(chosen)).refusal == (403, "FORBIDDEN")
    assert [answer.refusal for answer in answers] == [(409, "ID_TAKEN")] * 5
    assert cloud.multiparts() == [], "what was begun for it is aborted"
    assert len({answer.content for answer in answers}) == 1, "all are told the same"
    assert listed == []
    assert (await ada.get(chosen)).body == before


async def test_chosen_id_with_stored_results_is_refused(ada: Api, cloud: S3Server) -> None:
    """The ledger has forgotten it; whoever had it now would be given links to another's results."""
    chosen = str(uuid.uuid4())
    cloud.client.put_object(Bucket=BUCKET, Key=f"media/{chosen}/video.mp4", Body=b"another's")
    assert (await reserve(ada, chosen)).refusal == (409, "ID_TAKEN")
    assert (await reserve(ada, chosen, direct=True)).refusal == (409, "ID_TAKEN")
    assert cloud.multiparts() == []


async def test_each_file_may_have_a_chosen_id_on_every_intake_route(ada: Api, shelf: Shelf, cloud: S3Server) -> None:
    picture = shelf.image(size=(90, 50)).read_bytes()
    whole, pieces, made = str(uuid.uuid4()), str(uuid.uuid4()), None
    files = [
        {"filename": f"{number}.png", "size": len(picture), "uploadId": one}
        for number, one in enumerate((whole, pieces, made))
    ]
    reply = await ada.request("POST", "/api/uploads", json={"files": files})
    assert reply.status == 201
    first, second, third = reply.body["uploads"]
    assert [first["uploadId"], second["uploadId"]] == [whole, pieces]
    assert third["uploadId"].startswith("upload_")
    await ada.put(first["contentUrl"], picture)
    assert (await Tus(ada).patch(second["tusUrl"], 0, picture)).status == 204
    await ada.put(third["contentUrl"], picture)
    for entry in (first, second, third):
        element = (await ada.finished(entry["uploadId"]))["element"]
        assert element["id"] == entry["uploadId"]
        assert (await ada.request("GET", element["url"])).status == 200
    direct = await reserve(ada, str(uuid.uuid4()), direct=True)
    assert direct.status == 201
    await ada.cancel(direct.body["uploadId"])


async def test_chosen_id_makes_a_new_upload_of_a_known_file(ada: Api, shelf: Shelf) -> None:
    picture = shelf.image(size=(95, 55))
    await ada.finished(await ada.accepted(picture))
    md5 = hashlib.md5(picture.read_bytes(), usedforsecurity=False).hexdigest()
    known = {"filename": picture.name, "md5": md5}
    assert (await ada.request("POST", "/api/uploads", json={"files": [known]})).status == 200
    chosen = str(uuid.uuid4())
    reply = await ada.request("POST", "/api/uploads", json={"files": [{**known, "uploadId": chosen}]})
    assert (reply.status, reply.body["uploadId"]) == (201, chosen)
    assert (await ada.get(chosen)).body["stage"] == "receiving"
    await ada.cancel(chosen)


@pytest.mark.parametrize("user", ["../../etc/<script>alert(1)</script>", "a\x00b", "x" * 4000, "ada\n"], ids=ascii)
async def test_invalid_user_id_is_refused(server: RunningServer, user: str) -> None:
    async with Api(server, token(user)) as api:
        reply = await reserve(api, str(uuid.uuid4()))
        assert reply.refusal == (401, "UNAUTHENTICATED")
        assert "user id" in reply.body["error"]["message"]


async def test_foreign_message_in_the_queue_changes_nothing_and_stays(ada: Api, queue: Any) -> None:
    """The ledger is the truth: what somebody else puts into the queue changes no upload, and stays where it is."""
    url = queue.get_queue_url(QueueName=QUEUE)["QueueUrl"]
    chosen = str(uuid.uuid4())
    await reserve(ada, chosen)
    foreign = {"type": "done", "uploadId": chosen, "message": "not true"}
    queue.send_message(
        QueueUrl=url, MessageBody=json.dumps(foreign), MessageGroupId=chosen, MessageDeduplicationId=chosen
    )
    await ada.cancel(chosen)
    found: list[Line] = []

    def both() -> bool:
        found.extend(one for one in messages_of(queue) if one["uploadId"] == chosen)
        return {"done", "error"} <= {one["type"] for one in found}

    await eventually(both, 60, what="both in the queue")
    assert foreign in found
    assert (await ada.get(chosen)).body["error"]["code"] == "CANCELLED"


async def test_documented_metrics_are_those_of_the_server(server: RunningServer, ada: Api, shelf: Shelf) -> None:
    await ada.finished(await ada.accepted(shelf.image(size=(85, 45))))
    documented = {row[0]: set(filter(None, row[1].split(", "))) for row in table(DOCS / "operations.md", "metrics")}
    async with Api(server, token("root", admin=True)) as admin:

        async def counted() -> str | None:  # which may be after the end is there to be read
            text = (await admin.request("GET", "/metrics")).content.decode()
            return text if 'roomcast_processing_seconds_count{mime="image/png"}' in text else None

        text: str = await eventually(counted, what="the count of the picture")
    families = set(re.findall(r"^# TYPE (roomcast_\w+) ", text, re.MULTILINE))
    assert {name for name in families if not name.endswith("_created")} == documented.keys()
    for name, labels in re.findall(r"^(roomcast_\w+)\{(.+?)\} ", text, re.MULTILINE):
        family = re.sub(r"_(bucket|sum|count|created)$", "", name)
        known = documented[family] if family in documented else documented[f"{family}_total"]
        assert set(re.findall(r'(\w+)="', labels)) - {"le"} == known, name
