"""tus 1.0.0: what is refused, with which status and code, and that nothing is changed by it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.conftest import ServeApp
from tests.support.app import AppServer
from tests.support.clips import text_named_mp4
from tests.support.harness import Api
from tests.support.tokens import SECRET, token
from tests.support.tus import CHUNK_HEADERS, MIB, VERSION, Tus, checksum, completed, half_sent, id_of, metadata
from tests.support.watchers import Watcher

LIMIT = 16 * MIB


@pytest.fixture
def settings() -> dict[str, str]:
    return {"ROOMCAST_MAX_UPLOAD_BYTES": str(LIMIT)}


async def test_text_is_refused_by_its_first_bytes(
    server: AppServer, api: Api, tus: Tus, watcher: Watcher, tmp_path: Path
) -> None:
    text = text_named_mp4(tmp_path / "clip.mp4").read_bytes().ljust(MIB, b"x")
    url = await tus.create(len(text))
    await watcher.join(id_of(url))
    async with half_sent(server, url, 0, text, 5000) as sending:
        assert await sending.status() == 415
    last = await watcher.end(id_of(url))
    assert (last["error"]["code"], last["error"]["retryable"]) == ("UNSUPPORTED_TYPE", False)
    assert server.files_of(id_of(url)) == []
    assert (await tus.head(url)).status == 410


async def test_text_in_tiny_chunks_is_refused_at_the_first_4096_bytes(api: Api, tus: Tus) -> None:
    url = await tus.create(100_000)
    for offset in range(0, 4000, 1000):
        assert (await tus.patch(url, offset, b"x" * 1000)).status == 204
    assert (await tus.patch(url, 4000, b"x" * 1000)).refusal == (415, "UNSUPPORTED_TYPE")
    short = await tus.create(100)
    assert (await tus.patch(short, 0, b"x" * 50)).status == 204
    assert (await tus.patch(short, 50, b"x" * 50)).refusal == (415, "UNSUPPORTED_TYPE")


async def test_image_is_refused_under_a_video_template(tus: Tus, picture: bytes) -> None:
    url = await tus.create(len(picture), type="hero-video")
    assert (await tus.patch(url, 0, picture)).refusal == (415, "UNSUPPORTED_TYPE")


async def test_too_large_upload_is_refused_by_its_declared_length(api: Api, tus: Tus, picture: bytes) -> None:
    assert (await tus.post(Upload_Length=str(LIMIT + 1))).refusal == (413, "TOO_LARGE")
    url = await tus.create(len(picture))
    assert (await tus.patch(url, 0, picture + b"x")).refusal == (413, "TOO_LARGE"), "told before a byte is taken"
    assert await tus.offset(url) == 0
    later = await tus.create(None)
    assert (await tus.patch(later, 0, picture, Upload_Length=str(LIMIT + 1))).refusal == (413, "TOO_LARGE")
    assert (await tus.patch(later, 0, picture, Upload_Length=str(len(picture)))).status == 204
    await completed(api, later)


async def test_too_large_upload_with_deferred_length_is_refused_by_its_bytes(
    api: Api, tus: Tus, picture: bytes
) -> None:
    url = await tus.create(len(picture))

    async def unannounced() -> AsyncIterator[bytes]:
        yield picture
        yield b"and more"

    reply = await api.request("PATCH", url, data=unannounced(), headers={**CHUNK_HEADERS, "Upload-Offset": "0"})
    assert reply.refusal == (413, "TOO_LARGE")
    assert (await api.get(id_of(url))).body["error"]["code"] == "TOO_LARGE"


async def test_empty_file_is_unreadable(tus: Tus) -> None:
    assert (await tus.post(Upload_Length="0")).refusal == (422, "UNREADABLE_MEDIA")
    url = await tus.create(None)
    assert (await tus.patch(url, 0, Upload_Length="0")).refusal == (422, "UNREADABLE_MEDIA")


async def test_limits_of_the_viewer_and_the_disk_are_checked_at_creation(serve: ServeApp) -> None:
    async with Api(await serve(ROOMCAST_MAX_IN_FLIGHT="2")) as api:
        tus = Tus(api)
        await tus.create(100)
        await tus.create(100)
        assert (await tus.post(Upload_Length="100")).refusal == (429, "TOO_MANY")
    async with Api(await serve(ROOMCAST_DISK_RESERVE_BYTES=str(1 << 60))) as api:
        assert (await Tus(api).post(Upload_Length="100")).refusal == (507, "DISK_FULL")


REFUSED: dict[str, tuple[dict[str, str | None], int, str]] = {
    "no version": ({"Tus-Resumable": None}, 412, "MALFORMED"),
    "another version": ({"Tus-Resumable": "0.2.2"}, 412, "MALFORMED"),
    "no type": ({"Content-Type": None}, 415, "UNSUPPORTED_TYPE"),
    "another type": ({"Content-Type": "application/octet-stream"}, 415, "UNSUPPORTED_TYPE"),
    "no offset": ({"Upload-Offset": None}, 400, "MALFORMED"),
    "an offset of words": ({"Upload-Offset": "start"}, 400, "MALFORMED"),
    "a negative offset": ({"Upload-Offset": "-1"}, 400, "MALFORMED"),
    "an offset before": ({"Upload-Offset": "0"}, 409, "WRONG_STATE"),
    "an offset behind": ({"Upload-Offset": "20"}, 409, "WRONG_STATE"),
    "a length of words": ({"Upload-Length": "long"}, 400, "MALFORMED"),
    "another length": ({"Upload-Length": "99"}, 400, "MALFORMED"),
    "an unknown checksum": ({"Upload-Checksum": "crc32 AAAA"}, 400, "MALFORMED"),
    "a checksum that is none": ({"Upload-Checksum": "sha1 AAAA"}, 400, "MALFORMED"),
    "a checksum of something else": (checksum("sha1", b"else"), 460, "MALFORMED"),  # type: ignore[dict-item]
}


async def test_refused_chunk_does_not_change_the_upload(api: Api, tus: Tus, picture: bytes) -> None:
    url = await tus.create(len(picture), picture[:10])
    for name, (headers, status, code) in REFUSED.items():
        reply = await tus.patch(url, 10, picture[10:20], **headers)
        assert reply.refusal == (status, code), name
        assert reply.headers["Tus-Resumable"] == "1.0.0", name
        assert (status == 412) <= (reply.headers.get("Tus-Version") == "1.0.0"), name
        assert await tus.offset(url) == 10, name
    assert (await tus.patch(url, 10, picture[10:])).status == 204
    await completed(api, url)


async def test_refused_creation_creates_no_upload(api: Api, tus: Tus, picture: bytes) -> None:
    before = len((await api.list(limit="200")).body["uploads"])
    for headers in (
        {},
        {"Upload_Length": "-1"},
        {"Upload_Length": "5", "Upload_Defer_Length": "1"},
        {"Upload_Length": "5", "Upload_Metadata": metadata(type="no-such-template")},
        {"Upload_Concat": "final;"},
    ):
        assert (await tus.post(**headers)).refusal == (400, "MALFORMED"), headers
    assert (await tus.post(Tus_Resumable=None, Upload_Length="5")).refusal == (412, "MALFORMED")
    other = await tus.post(picture, Upload_Length=str(len(picture)), Content_Type="image/png")
    assert other.refusal == (415, "UNSUPPORTED_TYPE")
    assert len((await api.list(limit="200")).body["uploads"]) == before


async def test_unknown_upload_is_not_found(api: Api, tus: Tus) -> None:
    for url in ("/api/tus/upload_x", f"/api/tus/upload_{'0' * 32}"):
        assert (await tus.head(url)).status == 404
        assert (await tus.patch(url, 0, b"x")).refusal == (404, "NOT_FOUND")
        assert (await tus.delete(url)).refusal == (404, "NOT_FOUND")
    assert (await api.request("GET", "/api/tus/upload_x")).status == 405


async def test_method_override_replaces_patch_and_delete(api: Api, tus: Tus, picture: bytes) -> None:
    url = await tus.create(len(picture))
    patch = {**CHUNK_HEADERS, "Upload-Offset": "0", "X-HTTP-Method-Override": "PATCH"}
    assert (await api.request("POST", url, data=picture[:10], headers=patch)).status == 204
    assert await tus.offset(url) == 10
    head = await api.request("POST", url, headers={"Tus-Resumable": "1.0.0", "X-HTTP-Method-Override": "GET"})
    assert head.refusal == (405, "MALFORMED")
    gone = await api.request("POST", url, headers={"Tus-Resumable": "1.0.0", "X-HTTP-Method-Override": "DELETE"})
    assert gone.status == 204
    assert (await tus.head(url)).status == 410


async def test_upload_of_another_user_is_forbidden(serve: ServeApp, picture: bytes) -> None:
    server = await serve(JWT_SECRET=SECRET)
    async with Api(server, token("ada")) as ada, Api(server, token("bob")) as bob, Api(server) as nobody:
        url = await Tus(ada).create(len(picture), picture[:10])
        part = await Tus(ada).post(picture, Upload_Concat="partial", Upload_Length=str(len(picture)))
        assert (await nobody.request("OPTIONS", "/api/tus/")).status == 204
        for api, refusal in ((bob, (403, "FORBIDDEN")), (nobody, (401, "UNAUTHENTICATED"))):
            tus = Tus(api)
            assert (await tus.head(url)).status == refusal[0]
            assert (await tus.patch(url, 10, picture[10:])).refusal == refusal
            assert (await tus.delete(url)).refusal == refusal
            assert (await tus.post(Upload_Concat=f"final;{part.headers['Location']}")).refusal == refusal
        assert (await Tus(nobody).post(Upload_Length="100")).refusal == (401, "UNAUTHENTICATED")
        assert await Tus(ada).offset(url) == 10


async def test_pages_of_other_origins_get_the_tus_headers_if_allowed(serve: ServeApp) -> None:
    there, elsewhere = "https://shop.example", "https://evil.example"
    async with Api(await serve(ROOMCAST_CORS_ORIGINS=there)) as api:
        asking = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "upload-offset"}
        reply = await api.request("OPTIONS", "/api/tus/upload_x", headers={"Origin": there, **asking})
        assert reply.headers["Access-Control-Allow-Origin"] == there
        assert "PATCH" in reply.headers["Access-Control-Allow-Methods"]
        allowed = {name.strip() for name in reply.headers["Access-Control-Allow-Headers"].split(",")}
        assert {"Tus-Resumable", "Upload-Offset", "Upload-Length", "Upload-Metadata", "Upload-Checksum"} <= allowed
        asked = await api.request("OPTIONS", "/api/tus/", headers={"Origin": there})
        assert asked.headers["Tus-Version"] == "1.0.0"
        made = await api.request("POST", "/api/tus/", headers={**VERSION, "Upload-Length": "9", "Origin": there})
        exposed = {name.strip() for name in made.headers["Access-Control-Expose-Headers"].split(",")}
        assert {"Location", "Upload-Offset", "Upload-Length", "Upload-Expires", "Tus-Resumable"} <= exposed
        other = await api.request("OPTIONS", "/api/tus/", headers={"Origin": elsewhere, **asking})
        assert "Access-Control-Allow-Origin" not in other.headers
