"""Assemblies end to end: found by their files, rendered in their dialect, answered at once if completed before."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from tests.conftest import Serve, Shelf
from tests.support.harness import Api, eventually
from tests.support.results import fetched
from tests.support.tokens import SECRET, token
from tests.support.watchers import Watcher

FIELDS = {
    "assembly_id", "message", "uploads", "results", "bytes_expected", "bytes_received", "bytes_usage",
    "execution_duration", "execution_start", "template_id", "branch", "user", "created_at", "updated_at",
}  # fmt: skip
"""What every status has; `ok`, `error`, `error_code` and `last_job_completed` come with the end."""


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def expected_id(*files: Path, template: str = "auto", user: str = "anonymous") -> str:
    """As the contract has it, worked out by itself."""
    joined = "".join(sorted(md5(file) for file in files))
    return hashlib.sha256(f"{joined}{template}{user}".encode()).hexdigest()


async def status(api: Api, *assembly_ids: str, **rest: Any) -> Any:
    query = [("assemblyId", assembly_id) for assembly_id in assembly_ids]
    return await api.request("GET", "/api/transflow/status", params=query, **rest)


async def over(api: Api, assembly_id: str) -> dict[str, Any]:
    """The status of the assembly's end."""

    async def asked() -> dict[str, Any] | None:
        body: dict[str, Any] = (await status(api, assembly_id)).body
        return body if "last_job_completed" in body else None

    found: dict[str, Any] = await eventually(asked, 60, what="the assembly's end")
    return found


async def listed_ids(api: Api) -> list[str]:
    """Return the ids of all uploads. Those of earlier tests may still be at work."""
    return [upload["uploadId"] for upload in (await api.list()).body["uploads"]]


async def reserve(api: Api, *files: Path, declare: bool, template: str | None = None) -> Any:
    wanted = [
        {"filename": file.name, "size": file.stat().st_size, **({"md5": md5(file)} if declare else {})}
        for file in files
    ]
    return await api.request("POST", "/api/uploads", json={"files": wanted, "type": template})


async def test_a_form_is_an_assembly_whose_status_has_every_field(api: Api, shelf: Shelf) -> None:
    clip, picture = shelf.clip("holiday.mp4"), shelf.image("a picture.png")
    reply = await api.upload(clip, picture)
    assembly_id = reply.body["assemblyId"]
    assert assembly_id == expected_id(clip, picture)
    ids = [entry["uploadId"] for entry in reply.body["uploads"]]

    done = await over(api, assembly_id)
    assert done.keys() == FIELDS | {"ok", "last_job_completed"}
    assert done["ok"] == "ASSEMBLY_COMPLETED"
    assert (done["template_id"], done["branch"], done["user"]) == ("auto", "main", {"userId": "anonymous"})
    film, image = done["uploads"]
    assert film == {
        "id": ids[0],
        "name": "holiday.mp4",
        "basename": "holiday",
        "ext": "mp4",
        "size": clip.stat().st_size,
        "mime": "video/mp4",
        "field": "media_file",
        "md5hash": md5(clip),
        "meta": film["meta"],
        "metadata": {},
    }
    assert film["meta"].keys() == {"width", "height", "duration"}
    assert (image["id"], image["mime"], image["ext"]) == (ids[1], "image/png", "png")
    assert done["bytes_received"] == done["bytes_expected"] == clip.stat().st_size + picture.stat().st_size
    assert done["execution_duration"] > 0
    assert done["created_at"] <= done["last_job_completed"] == done["updated_at"]


async def test_every_output_is_a_result_under_its_name(api: Api, shelf: Shelf) -> None:
    reply = await api.upload(shelf.clip(), shelf.image())
    done = await over(api, reply.body["assemblyId"])
    made = 0
    for entry in reply.body["uploads"]:
        element = (await api.get(entry["uploadId"])).body["element"]
        for output in element["outputs"]:
            name = output["key"].rpartition("/")[2]
            (result,) = [one for one in done["results"][output["kind"]] if one["id"] == f"{entry['uploadId']}.{name}"]
            assert result["original_id"] == entry["uploadId"]
            assert (result["name"], result["size"], result["mime"]) == (name, output["size"], output["mime"])
            assert name == f"{result['basename']}.{result['ext']}"
            assert result["field"] == "media_file"
            content = await fetched(api, {**output, "url": result["ssl_url"]})
            assert len(content) == result["size"]
            made += result["size"]
    assert done["bytes_usage"] == done["bytes_received"] + made


async def test_the_status_of_a_running_and_of_a_failed_assembly(api: Api, shelf: Shelf, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(shelf.clip().read_bytes()[:3000])
    reply = await reserve(api, broken, declare=True)
    assert reply.status == 201
    assembly_id = reply.body["assemblyId"]
    assert assembly_id == expected_id(broken)
    waiting = (await status(api, assembly_id)).body
    assert waiting.keys() == FIELDS
    assert waiting["bytes_expected"] == 3000
    assert waiting["bytes_received"] == 0
    await api.put(reply.body["uploads"][0]["contentUrl"], broken.read_bytes())
    failed = await over(api, assembly_id)
    assert failed.keys() == FIELDS | {"error", "error_code", "last_job_completed"}
    assert failed["error_code"] == "UNREADABLE_MEDIA"
    assert failed["error"] == failed["message"] == (await api.get(failed["uploads"][0]["id"])).body["error"]["message"]
    assert failed["results"] == {}


async def test_the_response_to_the_last_bytes_has_the_assembly_id(api: Api, shelf: Shelf) -> None:
    files = shelf.image("one.png", size=(40, 30)), shelf.image("two.png", size=(50, 30))
    reserved = await reserve(api, *files, declare=False)
    assert reserved.status == 201
    assert reserved.body["assemblyId"] is None
    urls = [entry["contentUrl"] for entry in reserved.body["uploads"]]
    assert (await api.put(urls[0], files[0].read_bytes())).body["assemblyId"] is None, "another is still to come"
    assert (await api.put(urls[1], files[1].read_bytes())).body["assemblyId"] == expected_id(*files)


async def test_a_file_that_never_arrived_does_not_contribute_to_the_assembly(
    api: Api, shelf: Shelf, tmp_path: Path
) -> None:
    text = tmp_path / "notes.mp4"
    text.write_text("This is no film at all. " * 100)
    picture = shelf.image(size=(60, 30))
    reply = await api.upload(text, picture)
    assert reply.body["assemblyId"] == expected_id(picture)
    done = await over(api, reply.body["assemblyId"])
    assert [upload["name"] for upload in done["uploads"]] == [picture.name]
    assert done["ok"] == "ASSEMBLY_COMPLETED"


async def test_files_that_were_completed_before_need_not_be_sent_again(api: Api, shelf: Shelf) -> None:
    files = shelf.image("first.png", size=(70, 30)), shelf.image("second.png", size=(80, 30))
    sent = await api.upload(*files)
    assembly_id = sent.body["assemblyId"]
    await over(api, assembly_id)
    before = await listed_ids(api)

    again = await reserve(api, *reversed(files), declare=True)
    assert again.status == 200
    assert again.body["assemblyId"] == assembly_id
    assert [entry.keys() for entry in again.body["uploads"]] == [{"uploadId", "filename"}] * 2, "nothing to send to"
    assert {entry["uploadId"] for entry in again.body["uploads"]} == {one["uploadId"] for one in sent.body["uploads"]}
    assert again.body["state"]["status"] == "completed"
    await fetched(api, again.body["element"]["outputs"][0])
    assert await listed_ids(api) == before, "nothing new was made"


async def test_a_completed_assembly_is_found_by_all_of_its_files_and_its_template_only(api: Api, shelf: Shelf) -> None:
    one, two = shelf.image("one.png", size=(90, 30)), shelf.image("two.png", size=(100, 30))
    await over(api, (await api.upload(one, two)).body["assemblyId"])
    for reply in (
        await reserve(api, one, declare=True),
        await reserve(api, one, two, declare=True, template="image"),
        await reserve(api, one, two, declare=False),
        await reserve(api, one, two, two, declare=True),
    ):
        assert reply.status == 201
        for entry in reply.body["uploads"]:
            await api.cancel(entry["uploadId"])


async def test_a_failed_assembly_is_sent_again(api: Api, shelf: Shelf) -> None:
    picture = shelf.image(size=(110, 30))
    first = await reserve(api, picture, declare=True)
    await api.cancel(first.body["uploadId"])
    second = await reserve(api, picture, declare=True)
    assert second.status == 201
    assert second.body["assemblyId"] == first.body["assemblyId"]
    shown = (await status(api, second.body["assemblyId"])).body
    assert [upload["id"] for upload in shown["uploads"]] == [second.body["uploadId"]], "the latest counts"
    await api.cancel(second.body["uploadId"])


async def test_an_unchanged_status_is_answered_with_304(api: Api, shelf: Shelf) -> None:
    reply = await reserve(api, shelf.image(size=(120, 30)), declare=True)
    assembly_id = reply.body["assemblyId"]
    first = await status(api, assembly_id)
    tag = first.headers["ETag"]
    assert tag.startswith('W/"')
    assert first.headers["Cache-Control"] == "private, no-cache"
    for sent in (tag, f'"other", {tag}', "*"):
        same = await status(api, assembly_id, headers={"If-None-Match": sent})
        assert (same.status, same.content, same.headers["ETag"]) == (304, b"", tag)
    await api.cancel(reply.body["uploadId"])
    moved = await status(api, assembly_id, headers={"If-None-Match": tag})
    assert moved.status == 200
    assert moved.headers["Cache-Control"] == "private, max-age=900"


async def test_the_status_is_cached_privately(serve: Serve, shelf: Shelf) -> None:
    async with Api(serve(ROOMCAST_CORS_ORIGINS="https://films.example")) as api:
        reply = await reserve(api, shelf.image(), declare=True)
        response = await status(api, reply.body["assemblyId"])
        assert response.headers["Vary"] == "Authorization, Cookie, Origin"


async def test_a_batch_returns_a_list_with_an_answer_for_each_id(api: Api, shelf: Shelf) -> None:
    reply = await reserve(api, shelf.image(size=(130, 30)), declare=True)
    known, unknown = reply.body["assemblyId"], "0" * 64
    response = (await status(api, known, unknown)).body
    assert [one["assembly_id"] for one in response] == [known, unknown]
    assert response[0] == (await status(api, known)).body
    assert response[1] == {
        "assembly_id": unknown,
        "error": "There is no such assembly.",
        "error_code": "NOT_FOUND",
        "message": "There is no such assembly.",
    }
    await api.cancel(reply.body["uploadId"])


async def test_an_invalid_assembly_id_is_refused(api: Api) -> None:
    assert (await status(api)).refusal == (400, "MALFORMED")
    assert (await status(api, "0" * 64)).refusal == (404, "NOT_FOUND")
    assert (await status(api, "../../etc")).refusal == (404, "NOT_FOUND")
    assert (await status(api, *(["0" * 64] * 51))).refusal == (429, "TOO_MANY")


async def test_only_the_owner_reads_an_assembly(serve: Serve, shelf: Shelf) -> None:
    server = serve(JWT_SECRET=SECRET)
    picture = shelf.image()
    async with (
        Api(server, token("ada")) as ada,
        Api(server, token("bob")) as bob,
        Api(server, token("root", admin=True)) as admin,
        Api(server) as nobody,
    ):
        assembly_id = (await ada.upload(picture)).body["assemblyId"]
        assert assembly_id == expected_id(picture, user="ada")
        await over(ada, assembly_id)
        assert (await status(nobody, assembly_id)).refusal == (401, "UNAUTHENTICATED")
        assert (await status(bob, assembly_id)).refusal == (403, "FORBIDDEN")
        assert (await status(admin, assembly_id)).body["user"] == {"userId": "ada"}
        response = (await status(bob, assembly_id, "0" * 64)).body
        assert [one["error_code"] for one in response] == ["FORBIDDEN", "NOT_FOUND"]
        assert (await reserve(bob, picture, declare=True)).status == 201, "another's files are not one's own"
        assert (await reserve(ada, picture, declare=True)).status == 200


async def test_an_assembly_has_a_room(api: Api, watcher: Watcher, shelf: Shelf) -> None:
    files = shelf.image("one.png", size=(140, 30)), shelf.image("two.png", size=(150, 30))
    reserved = (await reserve(api, *files, declare=True)).body
    ids = [entry["uploadId"] for entry in reserved["uploads"]]
    ack = await watcher.call("join-assembly", {"assemblyId": reserved["assemblyId"]})
    assert ack["ok"]
    assert ack["assemblyId"] == reserved["assemblyId"]
    assert [state["uploadId"] for state in ack["states"]] == ids
    for file, entry in zip(files, reserved["uploads"], strict=True):
        await api.put(entry["contentUrl"], file.read_bytes())
    assert [(await watcher.end(upload_id))["status"] for upload_id in ids] == ["completed", "completed"]
    assert (await watcher.call("leave-assembly", reserved["assemblyId"])) == {"ok": True}


async def test_the_socket_calls_of_assemblies_refuse_like_the_others(api: Api, watcher: Watcher) -> None:
    for argument, code in (("0" * 64, "NOT_FOUND"), (7, "MALFORMED"), ({"assemblyId": ""}, "MALFORMED")):
        for call in ("join-assembly", "leave-assembly"):
            ack = await watcher.call(call, argument)
            assert (ack["ok"], ack["error"]["code"]) == (False, code)


async def test_in_open_mode_off_loopback_an_md5_grants_no_access(serve: Serve, shelf: Shelf) -> None:
    async with Api(serve(HOST="0.0.0.0", ROOMCAST_OPEN="1")) as api:
        picture = shelf.image()
        response = (await api.upload(picture)).body["assemblyId"]
        await over(api, response)
        again = await reserve(api, picture, declare=True)
        assert (again.status, (await status(api, expected_id(picture))).status) == (201, 404)
        assert len({response, again.body["assemblyId"], expected_id(picture)}) == 3


async def test_a_form_that_a_crash_left_unsealed_is_sealed_and_gets_its_id(serve: Serve, shelf: Shelf) -> None:
    files = shelf.image("one.png"), shelf.image("two.png", size=(50, 30))
    server = serve(ROOMCAST_RESERVATION_SECONDS="8")
    async with Api(server) as api:
        reserved = await reserve(api, *files, declare=False)
        urls = [entry["contentUrl"] for entry in reserved.body["uploads"]]
        await api.put(urls[0], files[0].read_bytes())
        server.kill()
        server.restart()
        found = await eventually(lambda: over(api, expected_id(files[0])), what="the binding, once nothing more comes")
        assert [upload["name"] for upload in found["uploads"]] == ["one.png"]


async def test_an_assembly_without_hashes_has_a_unique_id(serve: Serve, shelf: Shelf) -> None:
    picture = shelf.image()
    async with Api(serve(ROOMCAST_HASHES="none")) as api:
        ids = [(await api.upload(picture)).body["assemblyId"] for _ in range(2)]
        assert len({*ids, expected_id(picture)}) == 3
        done = await over(api, ids[0])
        assert done["ok"] == "ASSEMBLY_COMPLETED"
        (upload,) = done["uploads"]
        assert upload["md5hash"] is None
        assert not {"md5", "sha256"} & (await api.get(upload["id"])).body["element"]["original"].keys()
        declared = await reserve(api, picture, declare=True)
        assert declared.body["assemblyId"] == expected_id(picture)
        reply = await api.put(declared.body["uploads"][0]["contentUrl"], picture.read_bytes() + b"changed")
        assert reply.refusal == (400, "MALFORMED"), "what was declared is still looked at"
