"""tus 1.0.0, concatenation: files that are sent as several partial uploads."""

from __future__ import annotations

import asyncio

from tests.support.app import AppServer
from tests.support.harness import Api
from tests.support.tus import MIB, Tus, completed, id_of, metadata


async def part(tus: Tus, content: bytes) -> str:
    reply = await tus.post(content, Upload_Concat="partial", Upload_Length=str(len(content)))
    assert (reply.status, reply.headers["Upload-Offset"]) == (201, str(len(content)))
    return str(reply.headers["Location"])


async def test_partial_uploads_are_concatenated_and_deleted(
    server: AppServer, api: Api, tus: Tus, large: bytes
) -> None:
    parts = await asyncio.gather(part(tus, large[:MIB]), part(tus, large[MIB : 3 * MIB]), part(tus, large[3 * MIB :]))
    assert (await tus.head(parts[0])).headers["Upload-Concat"] == "partial"
    listed = {message["uploadId"] for message in (await api.list(limit="200")).body["uploads"]}
    assert not listed & {id_of(url) for url in parts}
    urls = " ".join([parts[0], *(server.url_of(url) for url in parts[1:])])
    final = await tus.post(Upload_Concat=f"final;{urls}", Upload_Metadata=metadata(filename="whole.png"))
    assert (final.status, final.headers["Upload-Offset"]) == (201, str(len(large)))
    url = final.headers["Location"]
    last = await completed(api, url)
    assert (last["filename"], last["element"]["original"]["size"]) == ("whole.png", len(large))
    asked = await tus.head(url)
    assert asked.headers["Upload-Concat"] == f"final;{' '.join(parts)}"
    assert (asked.headers["Upload-Length"], asked.headers["Upload-Offset"]) == (str(len(large)), str(len(large)))
    assert (await tus.patch(url, len(large), b"x")).refusal == (403, "FORBIDDEN")
    for url in parts:
        assert (await tus.head(url)).status == 410
        assert server.files_of(id_of(url)) == []


async def test_incomplete_foreign_or_unreadable_partial_uploads_are_not_concatenated(
    api: Api, tus: Tus, picture: bytes
) -> None:
    half = (await tus.post(picture[:10], Upload_Concat="partial", Upload_Length="20")).headers["Location"]
    later = (await tus.post(Upload_Concat="partial", Upload_Defer_Length="1")).headers["Location"]
    ordinary = await tus.create(len(picture))
    text = await part(tus, b"text " * 10)
    for url, refusal in (
        (half, (409, "WRONG_STATE")),
        (later, (409, "WRONG_STATE")),
        (ordinary, (409, "WRONG_STATE")),
        ("/api/tus/upload_x", (404, "NOT_FOUND")),
        ("nonsense", (404, "NOT_FOUND")),
        (text, (415, "UNSUPPORTED_TYPE")),
        (f"{text} http://127.0.0.1{text}", (400, "MALFORMED")),
    ):
        assert (await tus.post(Upload_Concat=f"final;{url}")).refusal == refusal, url
    assert (await tus.delete(half)).status == 204
    assert await tus.offset(text) == 50, "a part that was joined to nothing is still there"
