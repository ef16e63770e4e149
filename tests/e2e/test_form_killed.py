"""Forms sent to a server that is killed meanwhile."""

from __future__ import annotations

from typing import Any

from tests.conftest import Serve, Shelf
from tests.support.harness import SHORT_LEASE, Api, HalfSent, eventually

HEADERS = {"Content-Type": "multipart/form-data; boundary=frontier"}


def file_part(filename: str, content: bytes) -> bytes:
    head = f'--frontier\r\nContent-Disposition: form-data; name="files"; filename="{filename}"\r\n\r\n'
    return head.encode() + content + b"\r\n"


async def test_files_of_a_form_fail_after_the_server_was_killed_and_can_be_sent_again(
    serve: Serve, shelf: Shelf
) -> None:
    server, content = serve(**SHORT_LEASE), shelf.image().read_bytes()
    stored, arriving = file_part("stored.png", content), file_part("arriving.png", content + bytes(1 << 20))
    body = stored + arriving + b"--frontier--\r\n"
    async with Api(server) as api:

        async def listed() -> dict[str, Any]:
            uploads: list[dict[str, Any]] = (await api.list()).body["uploads"]
            return {upload["filename"]: upload for upload in uploads}

        first = len(stored) + len(arriving) // 2
        async with HalfSent(server, "POST", "/api/uploads", body, first=first, headers=HEADERS) as sending:
            await eventually(lambda: both_are_receiving(listed))
            server.kill()
            assert await sending.status() == 0
        server.restart()
        for filename, upload in (await listed()).items():
            last = await api.finished(upload["uploadId"])
            assert (last["error"]["code"], last["error"]["retryable"]) == ("WORKER_LOST", True), filename
            await eventually(lambda upload=upload: not server.files_of(upload["uploadId"]))  # type: ignore[misc]
            assert (await api.retry(upload["uploadId"])).body["state"]["stage"] == "receiving"
            assert (await api.put(f"/api/uploads/{upload['uploadId']}/content", content)).status == 202
            assert (await api.finished(upload["uploadId"]))["status"] == "completed", filename


async def both_are_receiving(listed: Any) -> bool:
    uploads = await listed()
    return len(uploads) == 2 and all(upload["bytesReceived"] > 0 for upload in uploads.values())
