"""A process that receives and fetches many parts through a bucket: its memory stays flat."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import moto.s3.models
import pytest

from tests.support.harness import ROOT
from tests.support.s3_server import moto_server, set_environment

SIZE_MIB = 40
"""In parts of a mebibyte, which are eight mebibytes outside of tests."""

PROGRAM = """
import asyncio, os, re, sys, time
from pathlib import Path
from roomcast.media.s3 import download, multipart
from roomcast.media.s3.store import S3MediaStore
from roomcast.media.url_signer import UrlSigner

multipart.PART_BYTES = download.PART_BYTES = 1 << 20
CHUNK, SIZE_MIB = os.urandom(1 << 20), int(sys.argv[2])

def peak():
    # Not getrusage: there a child begins with what its parent had.
    return int(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024

async def receive(store, upload_id, count):
    async with store.receive(upload_id) as incoming:
        for _ in range(count):
            await incoming.write(CHUNK)
        return await incoming.commit()

async def main():
    signer = UrlSigner(b"0123456789abcdef", seconds=60)
    opening = S3MediaStore.open(
        "films", endpoint_url=sys.argv[1], signer=signer, public_base_url=None, url_seconds=60
    )
    async with opening as store:
        async with store.fetch(await receive(store, "upload_first", 8), Path(sys.argv[3])):
            pass
        before, began = peak(), time.perf_counter()
        key = await receive(store, "upload_large", SIZE_MIB)
        into, after_in = time.perf_counter() - began, peak()
        began = time.perf_counter()
        async with store.fetch(key, Path(sys.argv[3])) as path:
            out = time.perf_counter() - began
            assert path.stat().st_size == SIZE_MIB << 20
        print(before, after_in, peak(), round(SIZE_MIB / into), round(SIZE_MIB / out))

asyncio.run(main())
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="asks Linux for the high-water mark")
def test_memory_stays_flat_while_a_large_source_is_received_and_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    set_environment(monkeypatch)
    monkeypatch.setattr(moto.s3.models, "S3_UPLOAD_PART_MIN_SIZE", 1 << 20)
    with moto_server() as server:
        command = [sys.executable, "-c", PROGRAM, server.url, str(SIZE_MIB), str(tmp_path)]
        done = subprocess.run(
            command, cwd=ROOT, env={**os.environ}, capture_output=True, text=True, timeout=100, check=False
        )
        assert done.returncode == 0, done.stderr
    before, after_in, after_out, *_ = map(int, done.stdout.split())
    with capsys.disabled():
        print(f"\nMiB resident before, in, out; MiB/s in, out: {done.stdout}", end="")
    # A file of a few parts was received and fetched before; what allocators and sockets hold is some megabytes more.
    assert after_in - before < SIZE_MIB / 2, done.stdout
    assert after_out - before < SIZE_MIB / 2, done.stdout
