"""Measure how many megabytes a server receives per second of its CPU, against @tus/server.

The peer receives every body by tus (a POST creates the upload, one PATCH brings all bytes), Roomcast by the method that
the row names. Both write to the same disk. Roomcast's figure includes the fsync of the commit and the events of the
ledger; the peer syncs nothing. The peer computes no digests either. So each row is measured with
`ROOMCAST_HASHES=none`, with `sha256`, and with the default, MD5 and SHA-256. Those two alone cost more than everything
else (`hash_mb_per_cpu_second`), and no server that computes both can be faster.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from tests.bench.generator import send_bodies
from tests.bench.memory import FILM
from tests.bench.rows import Row, rounds, row
from tests.bench.servers import BenchServer, Node, Roomcast
from tests.support.harness import paths_below

_LARGE_FILE = 1 << 20
"""Files above this size were uploaded, and are deleted after each turn."""

_WARM_UP = 16 << 20
"""Bytes that are sent before the first turn, so that the peer's code is compiled."""

_TUS = {"Tus-Resumable": "1.0.0"}
_BOUNDARY = "----WebKitFormBoundary7MA4YWxkTrZu0gWq"
"""As long as those of browsers."""


@dataclass(frozen=True)
class UploadMethod:
    """How a file is sent. `head` prepares an upload of so many bytes, and returns the request up to the end of `FILM`,
    which begins the file; `tail` follows the file."""

    head: Callable[[BenchServer, int], bytes]
    tail: bytes = b""


def measure(folder: Path, *, mebibytes: int, pairs: int) -> list[Row]:
    plain = Roomcast(folder / "plain", ROOMCAST_HASHES="none")
    safe = Roomcast(folder / "safe", ROOMCAST_HASHES="sha256")
    hashing = Roomcast(folder / "hashing")
    rows: list[Row] = []
    with plain, safe, hashing, Node(folder / "node") as theirs:
        for server, method in ((plain, PUT), (safe, PUT), (hashing, PUT), (theirs, PEER)):
            _turn(server, method, 1, _WARM_UP, folder)
        for ours, hashed in ((plain, ""), (safe, "sha256"), (hashing, "hashed")):
            for streams, counted in ((1, "mb_per_cpu_second"), (8, "8_streams")):
                size = (mebibytes << 20) // streams
                turns = {
                    name: partial(_turn, ours, method, streams, size, folder) for name, (method, _) in METHODS.items()
                }
                turns["peer"] = partial(_turn, theirs, PEER, streams, size, folder)
                samples = rounds(pairs, turns)
                rows += [
                    row(
                        "_".join(filter(None, (name, hashed, counted, "vs_tus_server"))),
                        f"{name}, {streams} at once{hashed and ', ' + hashed}",
                        "MB/CPU s",
                        "≥ 1" if hashed else aim,
                        float,
                        samples[name],
                        samples["peer"],
                    )
                    for name, (_, aim) in METHODS.items()
                ]
    hashes = [_hashes() for _ in range(pairs)]
    return [*rows, row("hash_mb_per_cpu_second", "MD5 and SHA-256 alone", "MB/CPU s", "", float, hashes)]


def _hashes() -> float:
    """Return the megabytes per second of CPU of computing both digests, and nothing else."""
    digests, chunk, times = (hashlib.md5(usedforsecurity=False), hashlib.sha256()), bytes(1 << 18), 256
    began = time.process_time()
    for _ in range(times):
        for digest in digests:
            digest.update(chunk)
    return times * len(chunk) / 1e6 / (time.process_time() - began)


def _turn(server: BenchServer, method: UploadMethod, streams: int, size: int, folder: Path) -> float:
    """Send files at once, and return the megabytes per second of CPU."""
    heads = [method.head(server, size) for _ in range(streams)]
    began = server.cpu()
    statuses = send_bodies(server.port, heads, fill=size - len(FILM), tail=method.tail, folder=folder)
    used = server.cpu() - began
    assert all(200 <= status < 300 for status in statuses), f"{server.name}: {statuses}"
    stored = _large_files(server.data)
    assert sum(stored.values()) >= streams * size, f"{server.name} stored {stored}"
    for path in stored:
        path.unlink()
    return streams * size / 1e6 / used


def _large_files(folder: Path) -> dict[Path, int]:
    """Return the files that were uploaded, with their sizes."""
    found = {}
    for path in paths_below(folder):
        with suppress(FileNotFoundError):  # it is a file of the server's own, which has just been deleted
            if (size := path.stat().st_size) > _LARGE_FILE:
                found[path] = size
    return found


def _put(server: BenchServer, size: int) -> bytes:
    body = json.dumps({"type": "auto", "files": [{"filename": "film.mp4", "size": size}]}).encode()
    _, text = _request(server, "POST", "/api/uploads", {"Content-Type": "application/json"}, body)
    path = json.loads(text)["uploads"][0]["contentUrl"]
    return _head(server, "PUT", path, {"Content-Length": str(size)}) + FILM


def _multipart(server: BenchServer, size: int) -> bytes:
    line = 'Content-Disposition: form-data; name="file"; filename="film.mp4"'
    part = f"--{_BOUNDARY}\r\n{line}\r\n\r\n".encode()
    length = len(part) + size + len(MULTIPART.tail)
    content_type = f"multipart/form-data; boundary={_BOUNDARY}"
    fields = {"Content-Length": str(length), "Content-Type": content_type}
    return _head(server, "POST", "/api/uploads", fields) + part + FILM


def _tus(path: str) -> Callable[[BenchServer, int], bytes]:
    def head(server: BenchServer, size: int) -> bytes:
        metadata = "filename ZmlsbS5tcDQ="  # film.mp4
        fields = {"Upload-Length": str(size), "Upload-Metadata": metadata, "Content-Length": "0"}
        location, _ = _request(server, "POST", path, _TUS | fields)
        chunk = {"Content-Type": "application/offset+octet-stream", "Upload-Offset": "0", "Content-Length": str(size)}
        return _head(server, "PATCH", urlsplit(location).path, _TUS | chunk) + FILM

    return head


PUT = UploadMethod(_put)
MULTIPART = UploadMethod(_multipart, f"\r\n--{_BOUNDARY}--\r\n".encode())
TUS = UploadMethod(_tus("/api/tus/"))
PEER = UploadMethod(_tus("/files"))
METHODS = {"put": (PUT, "≥ 2"), "tus": (TUS, "≥ 2"), "multipart": (MULTIPART, "≥ 1")}
"""The methods of sending to Roomcast, and the ratio that each is to reach without digests."""


def _head(server: BenchServer, method: str, path: str, fields: Mapping[str, str]) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{server.port}"]
    lines += [f"{name}: {value}" for name, value in fields.items()]
    return "\r\n".join([*lines, "", ""]).encode()


def _request(
    server: BenchServer, method: str, path: str, fields: Mapping[str, str], body: bytes = b""
) -> tuple[str, str]:
    """Send a small request; return the `Location` and the text of the response."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    connection.request(method, path, body or None, dict(fields))
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    assert response.status == 201, f"{server.name} responded {response.status}: {text}"
    return response.getheader("Location", ""), text
