"""A full disk is reported as an error. On a small file system, which only root can mount."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import Shelf
from tests.integration.conftest import ServeApp
from tests.support import warm
from tests.support.app import AppServer
from tests.support.harness import Api, HalfSent
from tests.support.start_failures import start_failures
from tests.support.tus import on_disk
from tests.support.watchers import Watcher

MIB = 1 << 20
RESERVE = 8 * MIB


@pytest.fixture(scope="module")
def small_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("disk") / "data"
    path.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(path)]
    if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode != 0:
        pytest.skip("a small file system cannot be mounted here: it takes root")
    yield path
    subprocess.run(["umount", str(path)], check=True)


@pytest.fixture
async def server(serve: ServeApp, small_disk: Path) -> AppServer:
    return await serve(small_disk, ROOMCAST_DISK_RESERVE_BYTES=str(RESERVE))


@contextmanager
def only_free(disk: Path, size: int) -> Iterator[None]:
    """Fill the disk up to `size` bytes, and free it again."""
    filler = disk / "filler"
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(disk).free - size)
    try:
        yield
    finally:
        filler.unlink()


async def test_upload_that_does_not_fit_on_the_disk_is_refused_at_once(
    server: AppServer, api: Api, small_disk: Path, shelf: Shelf
) -> None:
    free = shutil.disk_usage(small_disk).free
    assert (await api.reserve(("clip.mp4", free))).refusal == (507, "DISK_FULL")
    kind = {"Content-Type": "multipart/form-data; boundary=frontier"}
    async with HalfSent(server, "POST", "/api/uploads", bytes(free), first=0, headers=kind) as sending:
        assert await sending.status() == 507
    with only_free(small_disk, RESERVE // 2):
        assert (await api.upload(shelf.image())).refusal == (507, "DISK_FULL")
        assert (await api.reserve(("clip.mp4", 10))).refusal == (507, "DISK_FULL")
        assert await api.healthy()
    assert (await api.finished(await api.accepted(shelf.image())))["status"] == "completed"


async def test_upload_fails_with_disk_full_when_the_disk_fills_meanwhile(
    server: AppServer, api: Api, watcher: Watcher, small_disk: Path, shelf: Shelf
) -> None:
    content = shelf.clip().read_bytes() + bytes(16 * MIB)
    upload_id, url = await api.reserved("clip.mp4", len(content))
    await watcher.join(upload_id)
    async with HalfSent(server, "PUT", url, content, first=4 * MIB) as sending:
        await on_disk(server, upload_id, 3 * MIB)
        with only_free(small_disk, 2 * MIB):
            await sending.send()
            assert await sending.status() == 507
            last = await watcher.end(upload_id)
            assert last["error"]["code"] == "DISK_FULL"
            assert last["error"]["retryable"] is True
            assert server.files_of(upload_id) == []
            assert await api.healthy()
    assert (await api.finished(await api.accepted(shelf.clip())))["status"] == "completed"


def test_start_on_a_full_disk_is_refused_with_a_sentence(small_disk: Path) -> None:
    data = small_disk / "another"
    env = {"PATH": os.environ["PATH"], "ROOMCAST_DATA": str(data), "PORT": "0"}
    with only_free(small_disk, 0):
        ended = warm.run(["-m", "roomcast"], env=env)
    assert (ended.returncode, ended.stdout) == (2, "")
    reason = f"The disk of the data directory {data} is full. Free some space, or choose another with ROOMCAST_DATA."
    assert start_failures(ended.stderr) == [reason]
