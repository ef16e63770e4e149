"""Forms that are cancelled, refused or cut short while their files arrive."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Shelf
from tests.support.app import AppServer
from tests.support.harness import Api, HalfSent, eventually

TEMPLATES = """
[templates.document]
kind = "file"
max_bytes = 10_000

[templates.film]
kind = "video"
"""
FORM = {"Content-Type": "multipart/form-data; boundary=frontier"}
END = b"--frontier--\r\n"


@pytest.fixture
def body_stall() -> str:
    """For how many seconds a body may stall. A test of one that does names fewer."""
    return "60"


@pytest.fixture
def settings(tmp_path: Path, body_stall: str) -> dict[str, str]:
    path = tmp_path / "templates.toml"
    path.write_text(TEMPLATES)
    return {"ROOMCAST_TEMPLATES": str(path), "ROOMCAST_BODY_STALL_SECONDS": body_stall}


def file_part(filename: str, content: bytes) -> bytes:
    head = f'--frontier\r\nContent-Disposition: form-data; name="files"; filename="{filename}"\r\n\r\n'
    return head.encode() + content + b"\r\n"


def field(name: str, value: str) -> bytes:
    return f'--frontier\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()


async def listed(api: Api, filename: str) -> dict[str, Any]:
    async def found() -> dict[str, Any] | None:
        uploads: list[dict[str, Any]] = (await api.list()).body["uploads"]
        return next((upload for upload in uploads if upload["filename"] == filename), None)

    upload: dict[str, Any] = await eventually(found, what=f"{filename} in the list")
    return upload


@pytest.mark.parametrize("arrived", [False, True], ids=["while it arrives", "while it waits for the fields"])
async def test_cancelled_file_of_a_form_leaves_the_others_to_be_queued(
    server: AppServer, api: Api, shelf: Shelf, arrived: bool
) -> None:
    content = shelf.image().read_bytes()
    cancelled, other = file_part("cancelled.png", content + bytes(100_000)), file_part("other.png", content)
    body = cancelled + other + END
    first = len(cancelled) + 20 if arrived else len(cancelled) // 2
    async with HalfSent(server, "POST", "/api/uploads", body, first=first, headers=FORM) as sending:
        upload = await listed(api, "cancelled.png")
        await api.until(upload["uploadId"], lambda message: message["bytesReceived"] > 0)
        assert (await api.cancel(upload["uploadId"])).status == 200
        await sending.send()
        assert await sending.status() == 202
    assert (await api.get(upload["uploadId"])).body["error"]["code"] == "CANCELLED"
    assert server.files_of(upload["uploadId"]) == []
    assert (await api.finished((await listed(api, "other.png"))["uploadId"]))["status"] == "completed"


@pytest.mark.parametrize("body_stall", ["1"])
async def test_form_that_stalls_between_its_parts_fails_the_files_that_wait(
    server: AppServer, api: Api, shelf: Shelf
) -> None:
    part = file_part("waiting.png", shelf.image().read_bytes())
    body = part + field("type", "image") + END
    async with HalfSent(server, "POST", "/api/uploads", body, first=len(part) + 20, headers=FORM) as sending:
        assert await sending.status() == 408
    upload = await listed(api, "waiting.png")
    assert (upload["error"]["code"], upload["error"]["retryable"]) == ("STALLED", True)
    assert server.files_of(upload["uploadId"]) == []


@pytest.mark.parametrize(
    ("template", "content", "status"),
    [("document", bytes(20_000), 413), ("film", b"\x89PNG\r\n\x1a\n" + bytes(20_000), 415)],
    ids=["too large", "of another type"],
)
async def test_file_is_refused_before_all_of_it_is_sent_if_the_form_names_its_template_first(
    server: AppServer, api: Api, template: str, content: bytes, status: int
) -> None:
    fields, part = field("type", template), file_part("refused.bin", content + bytes(1_000_000))
    body = fields + part + END
    async with HalfSent(server, "POST", "/api/uploads", body, first=len(fields) + 20_500, headers=FORM):
        upload = await listed(api, "refused.bin")
        end = await api.until(upload["uploadId"], lambda message: message["status"] == "error")
        assert end["error"]["code"] == {413: "TOO_LARGE", 415: "UNSUPPORTED_TYPE"}[status]
