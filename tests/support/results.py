"""What a finished upload's files really are."""

from __future__ import annotations

import io
import json
import struct
import subprocess
from pathlib import Path
from typing import Any

from PIL import Image
from roomcast_workers.ffmpeg.binaries import find_binaries

from tests.support.harness import Api, ServerUnderTest, eventually

Output = dict[str, Any]


async def fetched(api: Api, output: Output) -> bytes:
    """The bytes behind an output's URL, which must be as its entry says."""
    reply = await api.request("GET", output["url"])
    assert reply.status == 200
    assert reply.headers["Content-Type"] == output["mime"]
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert len(reply.content) == output["size"]
    return reply.content


async def source_deleted(server: ServerUnderTest, upload_id: str) -> None:
    """Wait until the source of an upload is deleted, which follows the message of its end."""
    incoming = server.data / "incoming"
    await eventually(lambda: not any(upload_id in path.name for path in incoming.iterdir()), what="the source's end")


def output(element: dict[str, Any], kind: str) -> Output:
    return next(entry for entry in element["outputs"] if entry["kind"] == kind)


def probe(path: Path) -> dict[str, Any]:
    """What ffprobe says of a file: its format, and its streams by type."""
    arguments = [find_binaries().ffprobe, "-v", "error", "-show_format", "-show_streams", "-of", "json", str(path)]
    description = json.loads(subprocess.run(arguments, check=True, capture_output=True, timeout=60).stdout)
    return {"format": description["format"], **{stream["codec_type"]: stream for stream in description["streams"]}}


def boxes(content: bytes) -> list[str]:
    """The types of an MP4's top-level boxes, in file order."""
    found, at = [], 0
    while at + 8 <= len(content):
        size, kind = struct.unpack_from(">I4s", content, at)
        if size == 1:
            (size,) = struct.unpack_from(">Q", content, at + 8)
        found.append(kind.decode("latin-1"))
        at += size or len(content)
    return found


def decode_image(content: bytes) -> Image.Image:
    """An image, decoded to its last pixel."""
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


def check_video(content: bytes, output: Output, scratch: Path, *, audio: bool) -> dict[str, Any]:
    """The promises about every film: H.264 and AAC in a fast-start MP4 that every player takes. What ffprobe says."""
    path = scratch / "film.mp4"
    path.write_bytes(content)
    film = probe(path)
    assert film["video"]["codec_name"] == "h264"
    assert film["video"]["pix_fmt"] == "yuv420p"
    assert (film["video"]["width"], film["video"]["height"]) == (output["width"], output["height"])
    assert abs(float(film["format"]["duration"]) - output["duration"]) < 0.2
    assert ("audio" in film) == audio
    if audio:
        assert film["audio"]["codec_name"] == "aac"
    kinds = boxes(content)
    assert kinds.index("moov") < kinds.index("mdat"), "not fast-start"
    return film
