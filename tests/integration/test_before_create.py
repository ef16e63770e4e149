"""The application's checks of new uploads, in every way in which an upload begins."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from roomcast import NewUpload, Rejected, Viewer
from roomcast.extensions.registry import Extensions

from tests.integration.conftest import ServeApp
from tests.support.app import AppServer
from tests.support.harness import Api, Reply
from tests.support.remote_files import RemoteFiles
from tests.support.s3_server import BUCKET, S3Server, moto_server, set_environment
from tests.support.tokens import SECRET, token
from tests.support.tus import metadata

TEMPLATES = """
[templates.small]
kind = "image"
[templates.kept]
kind = "image"
keep_source = "7d"
[templates.any]
kind = "file"
max_bytes = 1000000
"""


class Checks:
    """What the application does with each new upload, and those that it was asked about."""

    def __init__(self) -> None:
        self.asked: list[tuple[NewUpload, Viewer]] = []
        self.decide: Callable[[NewUpload], Any] = lambda upload: None

    async def check(self, upload: NewUpload, viewer: Viewer) -> Any:
        self.asked.append((upload, viewer))
        await asyncio.sleep(0)
        return self.decide(upload)


@pytest.fixture
def checks() -> Checks:
    return Checks()


@pytest.fixture
def extensions(checks: Checks) -> Extensions:
    added = Extensions()
    added.before_create(checks.check)
    return added


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, str]:
    path = tmp_path / "templates.toml"
    path.write_text(TEMPLATES)
    return {"JWT_SECRET": SECRET, "ROOMCAST_TEMPLATES": str(path)}


def form_of(*fields: tuple[str, Any], name: str = "a.png") -> aiohttp.FormData:
    form = aiohttp.FormData(quote_fields=False)
    for field, value in fields:
        filename = name if isinstance(value, bytes) else None
        form.add_field(field, value, filename=filename)
    return form


TUS = {"Tus-Resumable": "1.0.0"}


async def begin_each_way(api: Api, picture: bytes) -> dict[str, Reply]:
    """Begin an upload in each way that there is without a bucket."""
    return {
        "form": await api.request("POST", "/api/uploads", data=form_of(("type", "image"), ("file", picture))),
        "reservation": await api.request(
            "POST", "/api/uploads", json={"type": "image", "files": [{"filename": "a.png", "size": len(picture)}]}
        ),
        "tus": await api.request(
            "POST",
            "/api/tus",
            headers={
                **TUS,
                "Upload-Length": str(len(picture)),
                "Upload-Metadata": metadata(filename="a.png", type="image"),
            },
        ),
    }


async def test_check_is_asked_about_every_upload_with_its_viewer_and_what_is_declared(
    alice: Api, checks: Checks, picture: bytes
) -> None:
    replies = await begin_each_way(alice, picture)
    assert {way: reply.status for way, reply in replies.items()} == {"form": 202, "reservation": 201, "tus": 201}
    assert {upload.intake for upload, _ in checks.asked} == {"form", "reservation", "tus"}
    for upload, viewer in checks.asked:
        assert (viewer.user, upload.filename, upload.template) == ("alice", "a.png", "image")
        assert upload.size == (None if upload.intake == "form" else len(picture))
        assert (upload.metadata, upload.prefix, upload.max_bytes, upload.partial) == ({}, "", None, False)
    ids = {upload.id for upload, _ in checks.asked}
    listed = {one["uploadId"] for one in (await alice.list()).body["uploads"]}
    assert ids == listed


async def test_rejection_reaches_the_client_with_its_code_and_nothing_is_created(
    alice: Api, checks: Checks, picture: bytes
) -> None:
    def decide(_: NewUpload) -> None:
        raise Rejected("QUOTA_USED_UP", "You have used up this month's uploads.", details={"limit": 10})

    checks.decide = decide
    for way, reply in (await begin_each_way(alice, picture)).items():
        assert reply.refusal == (422, "QUOTA_USED_UP"), way
        assert reply.body["error"]["message"] == "You have used up this month's uploads."
        assert reply.body["error"]["details"]["limit"] == 10
    assert (await alice.list()).body["uploads"] == []


async def test_check_chooses_template_metadata_limit_and_prefix(
    alice: Api, checks: Checks, server: AppServer, picture: bytes
) -> None:
    def decide(upload: NewUpload) -> None:
        upload.template, upload.prefix = "small", "tenants/north-7/"
        upload.metadata["product"] = 7
        upload.max_bytes = len(picture)

    checks.decide = decide
    replies = await begin_each_way(alice, picture)
    content = replies["reservation"].body["uploads"][0]["contentUrl"]
    too_large = await alice.put(content, picture + b"x")
    assert too_large.refusal[1] in ("TOO_LARGE", "MALFORMED")
    upload_id = replies["form"].body["uploadId"]
    state = await alice.finished(upload_id)
    element = state["element"]
    assert (element["type"], state["metadata"]) == ("small", {"product": 7})
    assert {output["key"].partition(upload_id)[0] for output in element["outputs"]} == {"tenants/north-7/"}
    assert (await alice.request("GET", element["url"])).status == 200
    assert (server.data / "media" / "tenants" / "north-7" / upload_id).is_dir()


async def test_source_begins_with_the_prefix_and_is_deleted_with_a_cancel(
    alice: Api, checks: Checks, server: AppServer, picture: bytes
) -> None:
    def decide(upload: NewUpload) -> None:
        upload.prefix = "tenants/a.b"

    checks.decide = decide
    headers = {**TUS, "Upload-Length": str(len(picture)), "Content-Type": "application/offset+octet-stream"}
    reply = await alice.request("POST", "/api/tus", headers=headers, data=picture[:100])
    upload_id = reply.headers["Location"].rpartition("/")[2]
    incoming = server.data / "incoming"
    assert [path.name for path in incoming.glob("*upload*")] == [f"tenants~a.b~{upload_id}.1.part"]
    assert (await alice.cancel(upload_id)).status == 200
    assert list(incoming.glob("*upload*")) == []


async def test_limit_of_a_check_holds_for_every_way_in(alice: Api, checks: Checks, picture: bytes) -> None:
    def decide(upload: NewUpload) -> None:
        upload.max_bytes = len(picture) - 1

    checks.decide = decide
    for way, reply in (await begin_each_way(alice, picture)).items():
        assert reply.refusal == (413, "TOO_LARGE"), way
    unknown = await alice.request("POST", "/api/uploads", json={"type": "image", "files": [{"filename": "a.png"}]})
    assert (await alice.put(unknown.body["uploads"][0]["contentUrl"], picture)).refusal == (413, "TOO_LARGE")


ODD: dict[str, Callable[[NewUpload], Any]] = {
    "template": lambda upload: setattr(upload, "template", "unknown"),
    "template of no name": lambda upload: setattr(upload, "template", None),
    "limit": lambda upload: setattr(upload, "max_bytes", 0),
    "boolean limit": lambda upload: setattr(upload, "max_bytes", True),
    "limit of more than 63 bits": lambda upload: setattr(upload, "max_bytes", 1 << 63),
    "returned refusal": lambda upload: False,
    "large metadata": lambda upload: upload.metadata.update(text="x" * 5000),
    "metadata that is no JSON": lambda upload: upload.metadata.update(text=object()),
    "prefix that leads out": lambda upload: setattr(upload, "prefix", "a/../../b"),
    "absolute prefix": lambda upload: setattr(upload, "prefix", "/etc"),
    "prefix of an upload": lambda upload: setattr(upload, "prefix", f"upload_{'0' * 32}"),
    "raises": lambda upload: upload.metadata["nothing"],
}


async def test_check_that_fails_or_makes_something_impossible_has_a_stable_code_and_is_named_in_the_log(
    alice: Api, checks: Checks, picture: bytes, log: list[dict[str, Any]]
) -> None:
    for name, decide in ODD.items():
        checks.decide = decide
        for way, reply in (await begin_each_way(alice, picture)).items():
            assert reply.refusal == (503, "HOOK_FAILED"), (name, way)
        failures = {entry["function"] for entry in log if entry["event"] == "function_failed"}
        assert failures == {f"{__name__}.Checks.check"}, name
        log.clear()
    assert (await alice.list()).body["uploads"] == []


async def test_form_cannot_change_what_was_checked_after_its_file(alice: Api, checks: Checks, picture: bytes) -> None:
    for late in (("type", "any"), ("metadata", '{"free": true}')):
        reply = await alice.request("POST", "/api/uploads", data=form_of(("file", picture), late))
        assert reply.refusal == (400, "MALFORMED"), late
    assert {upload.template for upload, _ in checks.asked} == {"auto"}


async def test_files_of_one_request_have_one_template(
    alice: Api, checks: Checks, picture: bytes, log: list[dict[str, Any]]
) -> None:
    def decide(upload: NewUpload) -> None:
        upload.template = "small" if upload.filename == "small.png" else "image"

    checks.decide = decide
    files = [{"filename": "large.png"}, {"filename": "small.png"}]
    assert (await alice.request("POST", "/api/uploads", json={"files": files})).refusal == (503, "HOOK_FAILED")
    (failure,) = [entry for entry in log if entry["event"] == "function_failed"]
    assert "different templates" in failure["reason"]
    log.clear()


async def test_earlier_check_is_heard_before_a_later_one(
    alice: Api, checks: Checks, extensions: Extensions, picture: bytes
) -> None:
    found: list[int | None] = []

    def later(upload: NewUpload, _: Viewer) -> None:
        found.append(upload.max_bytes)

    extensions.before_create(later)
    checks.decide = lambda upload: setattr(upload, "max_bytes", 7_000_000)
    assert (await begin_each_way(alice, picture))["form"].status == 202
    assert found == [7_000_000] * 3


@pytest.fixture(scope="module")
def bucket() -> Iterator[S3Server]:
    with moto_server() as running:
        yield running


@dataclass
class Sources:
    """A server with a bucket, and what its uploads begin with other than a body: a URL, and a stored source."""

    api: Api
    picture: bytes
    url: str
    stored: str

    async def begin_each_way(self) -> dict[str, Reply]:
        file = {"filename": "a.png", "size": len(self.picture)}
        return {
            "direct": await self.api.request("POST", "/api/uploads", json={"direct": True, "files": [file]}),
            "import": await self.api.request("POST", "/api/uploads", json={"url": self.url}),
            "process": await self.api.request("POST", f"/api/uploads/{self.stored}/process", json={"type": "image"}),
        }

    async def send(self, entry: dict[str, Any]) -> None:
        """Send the only part of a direct upload, and complete it."""
        async with (
            aiohttp.ClientSession() as session,
            session.put(entry["partUrls"][0], data=io.BytesIO(self.picture)) as response,
        ):
            part = {"number": 1, "etag": response.headers["ETag"]}
        assert (await self.api.request("POST", entry["completeUrl"], json={"parts": [part]})).status == 202


@pytest.fixture
async def sources(
    serve: ServeApp,
    extensions: Extensions,
    settings: dict[str, str],
    bucket: S3Server,
    checks: Checks,
    picture: bytes,
    aiohttp_server: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Sources]:
    set_environment(monkeypatch)
    bucket.empty()  # of the media of another deployment
    remote = await aiohttp_server(RemoteFiles(picture).app())
    storage = {"S3_BUCKET": BUCKET, "AWS_ENDPOINT_URL": bucket.url, "ROOMCAST_IMPORT_PRIVATE": "1"}
    running = await serve(extensions=extensions, **settings, **storage)
    async with Api(running, token("alice")) as alice:
        form = form_of(("type", "kept"), ("file", picture))
        stored = (await alice.request("POST", "/api/uploads", data=form)).body["uploadId"]
        assert (await alice.finished(stored))["status"] == "completed"
        checks.asked.clear()
        yield Sources(alice, picture, str(remote.make_url("/file.png")), stored)


async def test_direct_upload_import_and_process_again_can_be_rejected_and_limited(
    sources: Sources, checks: Checks, bucket: S3Server
) -> None:
    before = sorted(bucket.keys())

    def reject(_: NewUpload) -> None:
        raise Rejected("QUOTA_USED_UP", "You have used up this month's uploads.")

    checks.decide = reject
    for way, reply in (await sources.begin_each_way()).items():
        assert reply.refusal == (422, "QUOTA_USED_UP"), way
    checks.decide = lambda upload: setattr(upload, "max_bytes", len(sources.picture) - 1)
    replies = await sources.begin_each_way()
    imported = replies.pop("import").body["uploadId"]
    assert {way: reply.refusal for way, reply in replies.items()} == dict.fromkeys(replies, (413, "TOO_LARGE"))
    assert (await sources.api.finished(imported))["error"]["code"] == "TOO_LARGE"
    assert {one["uploadId"] for one in (await sources.api.list()).body["uploads"]} == {sources.stored, imported}
    assert (sorted(bucket.keys()), bucket.multiparts()) == (before, [])
    assert [upload.intake for upload, _ in checks.asked] == ["direct", "import", "process"] * 2


async def test_check_changes_direct_upload_import_and_process_again(
    sources: Sources, checks: Checks, bucket: S3Server
) -> None:
    def decide(upload: NewUpload) -> None:
        upload.template, upload.prefix = "small", f"tenants/{upload.intake}"
        upload.metadata["way"] = upload.intake

    checks.decide = decide
    replies = await sources.begin_each_way()
    assert {way: reply.status for way, reply in replies.items()} == {"direct": 201, "import": 201, "process": 202}
    await sources.send(replies["direct"].body["uploads"][0])
    for way, reply in replies.items():
        upload_id = reply.body["uploadId"]
        state = await sources.api.finished(upload_id)
        assert (state["status"], state["metadata"]) == ("completed", {"way": way}), way
        assert state["element"]["type"] == "small", way
        results = {output["key"] for output in state["element"]["outputs"]}
        assert {key.partition(upload_id)[0] for key in results} == {f"media/tenants/{way}/"}, way
        assert results <= {*bucket.keys()}, way
