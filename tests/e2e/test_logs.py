"""The log: JSON lines, and the upload's id in every one that is about an upload."""

from __future__ import annotations

import json
from pathlib import Path

from tests.conftest import Serve, Shelf
from tests.e2e.conftest import FakeFfmpeg
from tests.support.harness import Api

ABOUT_THE_PROCESS = {"sandbox_detected", "stopping", "stopped"}


async def test_every_line_about_an_upload_has_its_id(
    serve: Serve, fake: FakeFfmpeg, shelf: Shelf, tmp_path: Path
) -> None:
    fake.behave("die")
    server = serve(**fake.env, ROOMCAST_ATTEMPTS="1")
    broken = tmp_path / "broken.png"
    broken.write_bytes(shelf.image().read_bytes()[:200])
    async with Api(server) as api:
        uploads = {await api.accepted(file) for file in (shelf.clip(), broken)}
        for upload_id in uploads:
            assert (await api.finished(upload_id))["status"] == "error"
    server.terminate()
    fake.heal()
    lines = [json.loads(line) for line in server.log.read_text().splitlines()]
    about_uploads = [line for line in lines if line["event"] not in ABOUT_THE_PROCESS]
    assert any(line["logger"] == "roomcast_workers.ffmpeg.runner" for line in about_uploads), (
        "a library's line counts as well"
    )
    assert {line.get("upload") for line in about_uploads} == uploads, about_uploads
