"""Taking in bytes: megabytes per second of the server's CPU, against @tus/server.

The peer takes every body by tus (a POST that creates, a PATCH that brings it all); ours by whatever the row says. Both
write to the same disk. With us the commit's fsync and the ledger's events are in the figure; the peer syncs nothing.
The peer hashes nothing either: so each row is there with `ROOMCAST_HASHES=none`, with `sha256`, and with the MD5 and
the SHA-256 that are made of every upload by default, which alone cost more than all the rest
(`hash_mb_per_cpu_second`): no server that makes both can take in more than that.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from tests.bench.generator import send_bodies
from tests.bench.memory import FILM
from tests.bench.rows import Row, rounds, row
from tests.bench.servers import BenchServer, Node, Roomcast

_LARGE_FILE = 1 << 20
"""What is larger was sent, and goes again after each turn."""

_WARM_UP = 16 << 20
"""Bytes that are sent before anything counts: the peer's code is compiled by them."""

_TUS = {"Tus-Resumable": "1.0.0"}
_BOUNDARY = "----WebKitFormBoundary7MA4YWxkTrZu0gWq"
"""As long as browsers make them."""


@dataclass(frozen=True)
class Form:
    """A way of sending. `head` prepares a request that brings so many bytes to a server, and is what is sent before
    all but the first of these; `tail` is sent behind them."""

    head: Callable[[BenchServer, int], bytes]
    tail: bytes = b""


def measure(folder: Path, *, mebibytes: int, pairs: int) -> list[Row]:
    plain = Roomcast(folder / "plain", ROOMCAST_HASHES="none")
    safe = Roomcast(folder / "safe", ROOMCAST_HASHES="sha256")
    hashing = Roomcast(folder / "hashing")
    rows: list[Row] = []
    with plain, safe, hashing, Node(folder / "node") as theirs:
        for server, form in ((plain, PUT), (safe, PUT), (hashing, PUT), (theirs, PEER)):
            _turn(server, form, 1, _WARM_UP, folder)
        for ours, hashed in ((plain, ""), (safe, "sha256"), (hashing, "hashed")):
            for streams, counted in ((1, "mb_per_cpu_second"), (8, "8_streams")):
                size = (mebibytes << 20) // streams
                turns = {name: partial(_turn, ours, form, streams, size, folder) for name, (form, _) in FORMS.items()}
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
                    for name, (_, aim) in FORMS.items()
                ]
    hashes = [_hashes() for _ in range(pairs)]
    return [*rows, row("hash_mb_per_cpu_second", "MD5 and SHA-256 alone", "MB/CPU s", "", float, hashes)]


def _hashes() -> float:
    """Megabytes per second of CPU that the two can be made of, by nobody but themselves."""
    made, chunk, times = (hashlib.md5(usedforsecurity=False), hashlib.sha256()), bytes(1 << 18), 256
    began = time.process_time()
    for _ in range(times):
        for digest in made:
            digest.update(chunk)
    return times * len(chunk) / 1e6 / (time.process_time() - began)


def _turn(server: BenchServer, form: Form, streams: int, size: int, folder: Path) -> float:
    """Megabytes per second of CPU."""
    heads = [form.head(server, size) for _ in range(streams)]
    began = server.cpu()
    statuses = send_bodies(server.port, heads, fill=size - len(FILM), tail=form.tail, folder=folder)
    used = server.cpu() - began
    assert all(200 <= status < 300 for status in statuses), f"{server.name}: {statuses}"
    kept = [path for path in server.data.rglob("*") if path.is_file() and path.stat().st_size > _LARGE_FILE]
    assert sum(path.stat().st_size for path in kept) >= streams * size, f"{server.name} kept {kept}"
    for path in kept:
        path.unlink()
    return streams * size / 1e6 / used


def _put(server: BenchServer, size: int) -> bytes:
    body = json.dumps({"type": "auto", "files": [{"filename": "film.mp4", "size": size}]}).encode()
    _, answer = _say(server, "POST", "/api/uploads", {"Content-Type": "application/json"}, body)
    path = json.loads(answer)["uploads"][0]["contentUrl"]
    return _head(server, "PUT", path, {"Content-Length": str(size)}) + FILM


def _multipart(server: BenchServer, size: int) -> bytes:
    line = 'Content-Disposition: form-data; name="file"; filename="film.mp4"'
    part = f"--{_BOUNDARY}\r\n{line}\r\n\r\n".encode()
    length = len(part) + size + len(MULTIPART.tail)
    kind = f"multipart/form-data; boundary={_BOUNDARY}"
    fields = {"Content-Length": str(length), "Content-Type": kind}
    return _head(server, "POST", "/api/uploads", fields) + part + FILM


def _tus(path: str) -> Callable[[BenchServer, int], bytes]:
    def head(server: BenchServer, size: int) -> bytes:
        metadata = "filename ZmlsbS5tcDQ="  # film.mp4
        fields = {"Upload-Length": str(size), "Upload-Metadata": metadata, "Content-Length": "0"}
        location, _ = _say(server, "POST", path, _TUS | fields)
        kind = {"Content-Type": "application/offset+octet-stream", "Upload-Offset": "0", "Content-Length": str(size)}
        return _head(server, "PATCH", urlsplit(location).path, _TUS | kind) + FILM

    return head


PUT = Form(_put)
MULTIPART = Form(_multipart, f"\r\n--{_BOUNDARY}--\r\n".encode())
TUS = Form(_tus("/api/tus/"))
PEER = Form(_tus("/files"))
FORMS = {"put": (PUT, "≥ 2"), "tus": (TUS, "≥ 2"), "multipart": (MULTIPART, "≥ 1")}
"""Our ways of sending, and what each is to reach without hashes."""


def _head(server: BenchServer, method: str, path: str, fields: Mapping[str, str]) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{server.port}"]
    lines += [f"{name}: {value}" for name, value in fields.items()]
    return "\r\n".join([*lines, "", ""]).encode()


def _say(server: BenchServer, method: str, path: str, fields: Mapping[str, str], body: bytes = b"") -> tuple[str, str]:
    """A small request: the answer's `Location`, if it has one, and its text."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    connection.request(method, path, body or None, dict(fields))
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    assert answer.status == 201, f"{server.name} answered {answer.status}: {text}"
    return answer.getheader("Location", ""), text
