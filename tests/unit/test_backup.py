"""Backups of a data directory: what they contain, and what is refused."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from roomcast.errors import StorageError
from roomcast.ledger.sqlite.ledger import SqliteLedger
from roomcast.segments.plan import AudioSegment, AudioTrack, InitFile
from roomcast.services import backup
from roomcast.services.backup import back_up, restore_backup
from roomcast.uploads.lifecycle import Entered, Stage
from roomcast.uploads.model import Change, Source, Upload, results_folder

from tests.support.film_tasks import next_task, plan_of, result_of

SOURCE = Source("key", 6, "image", "png", "image/png", None, None)


@pytest.fixture
async def data(tmp_path: Path) -> Path:
    """A data directory with one queued upload, one that is arriving, and results of a third."""
    folder = tmp_path / "data"
    for name, content in (
        ("incoming/one.1", b"source"),
        ("incoming/two.1.part", b"half"),
        ("incoming/.check.7", b"x"),
        ("media/three/picture.webp", b"result"),
        ("media/three/.picture.jpg.part", b"half"),
        ("media/three/download/draft.part", b"the client's own name"),
        ("work/scratch", b"scratch"),
        ("deployment", b"id"),
        ("url.secret", b"secret"),
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    ledger = SqliteLedger(folder / "ledger.sqlite3")
    for name in ("one", "two"):
        await ledger.create([Upload(name, "ada", "auto", "picture.png", "e", 1.0, 1.0)])
    queued = Change(Entered(Stage.QUEUED), "", source=replace(SOURCE, key="one.1"))
    await ledger.append("one", queued)
    await ledger.close()
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith("ledger")
    }


KEPT = {
    "incoming/one.1": b"source",
    "incoming/two.1.part": b"half",
    "media/three/picture.webp": b"result",
    "media/three/download/draft.part": b"the client's own name",
    "deployment": b"id",
    "url.secret": b"secret",
}


async def test_restored_backup_has_every_file_and_upload(data: Path, tmp_path: Path) -> None:
    made = back_up(data, tmp_path / "copy")
    assert (made.uploads, made.files, made.missing) == (2, 4, ())
    with (data / "incoming/two.1.part").open("ab") as growing:
        growing.write(b", and more")
    assert restore_backup(tmp_path / "copy", tmp_path / "restored").uploads == 2
    assert contents(tmp_path / "restored") == KEPT
    ledger = SqliteLedger(tmp_path / "restored" / "ledger.sqlite3")
    assert await ledger.queue() == ["one"]
    await ledger.close()


async def test_source_received_and_gone_between_the_steps_of_a_backup_makes_another_snapshot(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (data / "incoming/one.1").unlink()
    snapshots = 0
    copy_ledger: Callable[[Path, Path], None] = backup._copy_ledger

    def copy(ledger: Path, copy: Path) -> None:
        nonlocal snapshots
        snapshots += 1
        copy_ledger(ledger, copy)
        if snapshots == 1:  # the upload has ended since
            with closing(sqlite3.connect(ledger, isolation_level=None)) as connection:
                connection.execute("DELETE FROM uploads WHERE id = 'one'")

    monkeypatch.setattr(backup, "_copy_ledger", copy)
    made = back_up(data, tmp_path / "copy")
    assert (snapshots, made.uploads, made.missing) == (2, 1, ())


async def test_file_that_the_data_directory_lacks_is_named_and_the_rest_is_backed_up(
    data: Path, tmp_path: Path
) -> None:
    (data / "incoming/one.1").unlink()
    made = back_up(data, tmp_path / "copy")
    assert (made.files, made.missing) == (3, ("incoming/one.1",))
    restore_backup(tmp_path / "copy", tmp_path / "restored")


async def test_segments_of_a_film_that_is_being_compressed_are_backed_up_and_missing_ones_are_named(
    data: Path, tmp_path: Path
) -> None:
    ledger = SqliteLedger(data / "ledger.sqlite3")
    claim = await ledger.claim_next(holder="w", seconds=60)
    assert claim is not None
    await ledger.segments.plan(claim.lease, plan_of(audio=True))
    task = await next_task(ledger)
    result = result_of(task)
    await ledger.segments.complete(task.lease, result)
    init, segments = InitFile("audio", "audio-init.mp4", "", "mp4a"), (AudioSegment("audio-0.m4s", 8.0, 9),)
    await ledger.segments.set_audio(claim.lease, AudioTrack(init, 2, segments, file="a.m4a"))
    await ledger.close()
    (segment,), (video_init,) = result.files, result.inits
    folder = f"media/{results_folder(claim.upload)}/segments"
    (data / folder).mkdir(parents=True)
    for name in (segment.name, "audio-0.m4s"):
        (data / folder / name).write_bytes(b"segment")
    made = back_up(data, tmp_path / "copy")
    assert sorted(made.missing) == sorted(f"{folder}/{name}" for name in (video_init.name, init.name, "a.m4a"))
    assert (tmp_path / "copy" / folder / segment.name).read_bytes() == b"segment"


async def test_ledger_of_an_earlier_version_without_tables_of_segments_is_backed_up(data: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(data / "ledger.sqlite3")) as connection:
        connection.executescript("DROP TABLE segment_plans; DROP TABLE segment_tasks;")
    assert back_up(data, tmp_path / "copy").missing == ()


async def test_what_would_lose_data_is_refused(data: Path, tmp_path: Path) -> None:
    full, copy, empty = tmp_path / "full", tmp_path / "copy", tmp_path / "empty"
    for folder in (full, copy):
        folder.mkdir()
        folder.chmod(0o755)  # the umask of the process has no say in it
    (full / "thesis.txt").write_text("The only copy.")
    with pytest.raises(StorageError, match=f"The directory {full} is not empty"):
        back_up(data, full)
    with pytest.raises(StorageError, match="There is no ledger in"):
        back_up(empty, copy)
    assert list(copy.iterdir()) == []
    back_up(data, copy)
    assert copy.stat().st_mode & 0o777 == 0o700, "nobody else may read it"
    assert full.stat().st_mode & 0o777 == 0o755
    for target in (full, data):
        before = contents(target)
        with pytest.raises(StorageError, match=f"The directory {target} is not empty"):
            restore_backup(copy, target)
        assert contents(target) == before
    ledger = SqliteLedger(data / "ledger.sqlite3")
    with pytest.raises(StorageError, match="Another process uses the data directory"):
        restore_backup(copy, data)
    await ledger.close()


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (lambda copy: _set_version(copy, 99), "newer version"),
        (lambda copy: _set_version(copy, 0), "earlier version"),
        (lambda copy: (copy / "ledger.sqlite3").write_bytes(b"SQLite format 3" + bytes(5000)), "cannot be read"),
        (lambda copy: (copy / "backup.json").unlink(), "not a complete backup"),
    ],
    ids=["newer", "earlier", "damaged", "incomplete"],
)
async def test_unfit_backup_is_refused_and_nothing_is_restored(
    data: Path, tmp_path: Path, harm: Callable[[Path], object], reason: str
) -> None:
    back_up(data, tmp_path / "copy")
    harm(tmp_path / "copy")
    with pytest.raises(StorageError, match=reason):
        restore_backup(tmp_path / "copy", tmp_path / "restored")
    assert not (tmp_path / "restored").exists()


def _set_version(copy: Path, version: int) -> None:
    with closing(sqlite3.connect(copy / "ledger.sqlite3")) as connection:
        connection.execute(f"PRAGMA user_version = {version}")
