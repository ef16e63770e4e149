"""tus 1.0.0: files in chunks, which break off, stall, race, expire and are resumed."""

from __future__ import annotations

import asyncio

import pytest
from roomcast.ledger.sqlite.ledger import SqliteLedger
from roomcast.uploads.model import Upload

from tests.support.app import AppServer
from tests.support.harness import Api, HalfSent, eventually
from tests.support.tus import MIB, Tus, checksum, completed, half_sent, id_of, metadata, on_disk, reserved
from tests.support.watchers import Watcher

LIMIT = 16 * MIB


@pytest.fixture
def body_stall() -> str:
    """For how many seconds a body may stall. A test of one that does names fewer."""
    return "60"


@pytest.fixture
def settings(body_stall: str) -> dict[str, str]:
    return {"ROOMCAST_MAX_UPLOAD_BYTES": str(LIMIT), "ROOMCAST_BODY_STALL_SECONDS": body_stall}


async def test_file_in_several_chunks_is_completed(api: Api, tus: Tus, watcher: Watcher, picture: bytes) -> None:
    url = await tus.create(len(picture), filename="holiday.png", type="image", filetype="image/png")
    assert (await watcher.join(id_of(url)))["state"]["bytesExpected"] == len(picture)
    for start, stop in ((0, 10), (10, 100), (100, len(picture))):
        reply = await tus.patch(url, start, picture[start:stop])
        assert (reply.status, reply.headers["Upload-Offset"]) == (204, str(stop))
        assert reply.headers["Tus-Resumable"] == "1.0.0"
    last = await watcher.end(id_of(url))
    assert (last["status"], last["filename"]) == ("completed", "holiday.png")
    assert (last["element"]["type"], last["element"]["original"]["size"]) == ("image", len(picture))
    received = [message["bytesReceived"] for message in watcher.messages(id_of(url))]
    assert received == sorted(received)
    assert {10, 100, len(picture)} <= set(received)


async def test_room_of_a_reservation_exists_before_the_first_byte(
    api: Api, tus: Tus, watcher: Watcher, picture: bytes
) -> None:
    url = await reserved(api, picture)
    assert (await watcher.join(id_of(url)))["state"]["stage"] == "receiving"
    assert await tus.offset(url) == 0
    assert (await tus.patch(url, 0, picture)).status == 204
    assert (await watcher.end(id_of(url)))["status"] == "completed"


async def test_first_chunk_is_accepted_with_the_creation(api: Api, tus: Tus, picture: bytes) -> None:
    some = await tus.post(picture[:100], Upload_Length=str(len(picture)))
    assert (some.status, some.headers["Upload-Offset"]) == (201, "100")
    await tus.patch(some.headers["Location"], 100, picture[100:])
    await completed(api, some.headers["Location"])
    whole = await tus.post(picture, Upload_Length=str(len(picture)))
    assert (whole.status, whole.headers["Upload-Offset"]) == (201, str(len(picture)))
    await completed(api, whole.headers["Location"])


async def test_deferred_length_is_declared_with_a_later_chunk(api: Api, tus: Tus, picture: bytes) -> None:
    url = await tus.create(None)
    asked = await tus.head(url)
    assert asked.headers["Upload-Defer-Length"] == "1"
    assert "Upload-Length" not in asked.headers
    assert (await tus.patch(url, 0, picture[:100])).status == 204
    assert (await tus.patch(url, 100, Upload_Length="99")).refusal == (400, "MALFORMED")
    assert (await tus.patch(url, 0, Upload_Length="99")).refusal == (409, "WRONG_STATE")
    assert (await tus.patch(url, 100, picture[100:200], Upload_Length=str(len(picture)))).status == 204
    asked = await tus.head(url)
    assert (asked.headers["Upload-Length"], asked.headers["Upload-Offset"]) == (str(len(picture)), "200")
    assert "Upload-Defer-Length" not in asked.headers
    assert (await tus.patch(url, 200, picture[200:], Upload_Length="5000")).refusal == (400, "MALFORMED")
    assert (await tus.patch(url, 200, picture[200:], Upload_Length=str(len(picture)))).status == 204
    await completed(api, url)


async def test_deferred_length_is_declared_by_an_empty_chunk(api: Api, tus: Tus, picture: bytes) -> None:
    url = await tus.create(None)
    assert (await tus.patch(url, 0, picture)).status == 204
    assert (await api.get(id_of(url))).body["stage"] == "receiving"
    assert (await tus.patch(url, len(picture), Upload_Length=str(len(picture)))).status == 204
    await completed(api, url)


async def test_head_returns_metadata_length_offset_and_expiry(tus: Tus, picture: bytes) -> None:
    sent = metadata(filename="ü.png", mine="kept")
    url = (await tus.post(Upload_Length=str(len(picture)), Upload_Metadata=sent)).headers["Location"]
    reply = await tus.head(url)
    assert reply.status == 200
    assert reply.headers["Cache-Control"] == "no-store"
    assert reply.headers["Upload-Metadata"] == sent
    assert (reply.headers["Upload-Length"], reply.headers["Upload-Offset"]) == (str(len(picture)), "0")
    assert reply.headers["Upload-Expires"].endswith(" GMT")


async def test_options_returns_the_supported_extensions(api: Api) -> None:
    for path in ("/api/tus", "/api/tus/", "/api/tus/upload_x"):
        reply = await api.request("OPTIONS", path)
        assert reply.status == 204
        assert reply.headers["Tus-Version"] == "1.0.0"
        assert reply.headers["Tus-Max-Size"] == str(LIMIT)
        assert {"creation-with-upload", "expiration"} <= set(reply.headers["Tus-Extension"].split(","))
        assert reply.headers["Tus-Checksum-Algorithm"] == "sha1,sha256,md5"


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "md5"])
async def test_chunk_is_stored_only_with_the_right_checksum(api: Api, tus: Tus, large: bytes, algorithm: str) -> None:
    url = await reserved(api, large)
    right, wrong = checksum(algorithm, large[: 2 * MIB]), checksum(algorithm, b"something else")
    damaged = await tus.patch(url, 0, large[: 2 * MIB], **wrong)
    assert damaged.refusal == (460, "MALFORMED")
    assert await tus.offset(url) == 0
    assert (await tus.patch(url, 0, large[: 2 * MIB], **right)).headers["Upload-Offset"] == str(2 * MIB)
    assert (await tus.patch(url, 2 * MIB, large[2 * MIB :])).status == 204
    await completed(api, url)


async def test_half_a_chunk_with_a_checksum_is_not_stored(server: AppServer, api: Api, tus: Tus, large: bytes) -> None:
    url = await reserved(api, large)
    async with half_sent(server, url, 0, large, 2 * MIB, checksum("sha1", large)) as sending:
        await sending.cut()
    assert await tus.offset(url) == 0


async def test_room_receives_progress_while_a_chunk_arrives(
    server: AppServer, api: Api, tus: Tus, watcher: Watcher, large: bytes
) -> None:
    url = await reserved(api, large)
    await watcher.join(id_of(url))
    async with half_sent(server, url, 0, large, 3 * MIB) as sending:
        message = await watcher.until(id_of(url), lambda message: message["bytesReceived"] > 0)
        assert (message["stage"], message["bytesExpected"]) == ("receiving", len(large))
        assert 0 < message["progress"] < 10
        await sending.send()
        assert await sending.status() == 204
    await completed(api, url)


async def test_bytes_before_a_disconnect_are_stored(server: AppServer, api: Api, tus: Tus, large: bytes) -> None:
    url = await reserved(api, large)
    async with half_sent(server, url, 0, large, 3 * MIB) as sending:
        await on_disk(server, url, 2 * MIB)
        await sending.cut()
    offset = await tus.offset(url)
    assert 2 * MIB <= offset <= 3 * MIB
    assert (await api.get(id_of(url))).body["bytesReceived"] == offset
    assert (await tus.patch(url, offset, large[offset:])).status == 204
    await completed(api, url)


@pytest.mark.parametrize("body_stall", ["1"])
async def test_stalled_chunk_leaves_the_upload_resumable(server: AppServer, api: Api, tus: Tus, large: bytes) -> None:
    url = await reserved(api, large)
    async with half_sent(server, url, 0, large, 2 * MIB) as sending:
        assert await sending.status() == 408
    assert (await api.get(id_of(url))).body["stage"] == "receiving"
    offset = await tus.offset(url)
    assert 0 < offset <= 2 * MIB  # less if this process stood still for a second
    await tus.patch(url, offset, large[offset:])
    await completed(api, url)


@pytest.mark.parametrize("by", ["HEAD", "PATCH"])
async def test_dead_request_is_taken_over(server: AppServer, api: Api, tus: Tus, large: bytes, by: str) -> None:
    url = await reserved(api, large)
    await tus.patch(url, 0, large[:MIB])
    async with half_sent(server, url, MIB, large[MIB:], 2 * MIB) as dead:
        await on_disk(server, url, 2 * MIB)
        if by == "PATCH":
            assert (await tus.patch(url, 0, large)).refusal == (409, "WRONG_STATE"), "and the other goes on"
            assert (await tus.patch(url, 4 * MIB, large)).refusal == (413, "TOO_LARGE"), "here too"
        offset = await tus.offset(url)
        assert 2 * MIB <= offset <= 3 * MIB
        assert await tus.offset(url) == offset, "it stands still"
        assert (await tus.patch(url, offset, large[offset:])).status == 204
        assert await dead.status() == 409
    await completed(api, url)


async def test_two_racing_clients_complete_one_file(api: Api, tus: Tus, large: bytes) -> None:
    url = await reserved(api, large)

    async def send() -> None:
        """As clients do: send, and after a conflict ask and go on."""
        while (offset := await tus.offset(url)) < len(large):
            reply = await tus.patch(url, offset, large[offset : offset + MIB])
            assert reply.status in (204, 409), reply.body

    await asyncio.gather(send(), send())
    await completed(api, url)


async def test_upload_without_further_chunks_expires_and_can_be_retried(
    server: AppServer, api: Api, tus: Tus, watcher: Watcher, large: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits, expire_leases = 3600.0, SqliteLedger.expire_leases

    async def expire(ledger: SqliteLedger, *, reserved_seconds: float) -> list[Upload]:
        return await expire_leases(ledger, reserved_seconds=min(reserved_seconds, waits))

    monkeypatch.setattr(SqliteLedger, "expire_leases", expire)
    url = await tus.create(len(large))
    await watcher.join(id_of(url))
    assert (await tus.patch(url, 0, large[:MIB])).status == 204
    waits = 0.0
    last = await watcher.end(id_of(url))
    waits = 3600.0
    assert (last["error"]["code"], last["error"]["retryable"]) == ("STALLED", True)
    assert (await tus.head(url)).status == 410
    assert (await tus.patch(url, MIB, large[MIB:])).refusal == (410, "NOT_FOUND")
    await eventually(lambda: server.files_of(id_of(url)) == [], what="the end of its bytes")
    assert (await api.retry(id_of(url))).status == 200
    assert (await tus.patch(url, 0, large)).status == 204
    await completed(api, url)


async def test_delete_cancels_the_upload_and_deletes_its_bytes(
    server: AppServer, api: Api, tus: Tus, watcher: Watcher, large: bytes
) -> None:
    url = await tus.create(len(large))
    await watcher.join(id_of(url))
    await tus.patch(url, 0, large[:MIB])
    assert (await tus.delete(url)).status == 204
    assert server.files_of(id_of(url)) == []
    assert (await watcher.end(id_of(url)))["error"]["code"] == "CANCELLED"
    for reply in (await tus.head(url), await tus.patch(url, MIB, large), await tus.delete(url)):
        assert reply.status == 410


async def test_delete_stops_a_chunk_that_is_arriving(
    server: AppServer, api: Api, tus: Tus, watcher: Watcher, large: bytes
) -> None:
    url = await tus.create(len(large))
    await watcher.join(id_of(url))
    async with half_sent(server, url, 0, large, 2 * MIB) as sending:
        await watcher.until(id_of(url), lambda message: message["bytesReceived"] > 0)
        assert (await tus.delete(url)).status == 204
        assert server.files_of(id_of(url)) == []
        assert await sending.status() == 409
    assert (await watcher.end(id_of(url)))["error"]["code"] == "CANCELLED"


async def test_complete_upload_refuses_chunks_and_deletion(api: Api, tus: Tus, picture: bytes) -> None:
    url = await tus.create(len(picture), picture)
    assert (await tus.patch(url, len(picture))).refusal == (409, "WRONG_STATE")
    assert await tus.offset(url) == len(picture)
    await completed(api, url)
    assert await tus.offset(url) == len(picture)
    assert (await tus.delete(url)).refusal == (409, "WRONG_STATE")


async def test_put_and_tus_refuse_each_others_uploads(
    server: AppServer, api: Api, tus: Tus, watcher: Watcher, large: bytes
) -> None:
    url = await reserved(api, large)
    content_url = f"/api/uploads/{id_of(url)}/content"
    await watcher.join(id_of(url))
    async with HalfSent(server, "PUT", content_url, large, first=MIB) as sending:
        await watcher.until(id_of(url), lambda message: message["bytesReceived"] > 0)
        assert (await tus.patch(url, MIB, large[MIB:])).refusal == (409, "WRONG_STATE")
        await sending.send()
        assert await sending.status() == 202
    url = await tus.create(len(large), large[:10])
    assert (await api.put(f"/api/uploads/{id_of(url)}/content", large)).refusal == (409, "WRONG_STATE")
