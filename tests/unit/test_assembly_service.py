"""What belongs to a submission: the uploads that came in it, and no other, whatever ids a client has chosen."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from roomcast.assemblies.model import Submission, assembly_id
from roomcast.assemblies.service import AssemblyService
from roomcast.assemblies.sqlite_store import SqliteFile, SqliteRecordStore
from roomcast.errors import IdTaken, NotFound
from roomcast.ledger.sqlite.ledger import SqliteLedger
from roomcast.uploads.viewer import Viewer

from tests.integration.contract.ledgers import Clock, fresh

MD5S = ["0" * 32, "1" * 32]


@dataclass(frozen=True)
class Scene:
    ledger: SqliteLedger
    records: SqliteRecordStore[Submission]
    submissions: AssemblyService


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    ledger, file = SqliteLedger(tmp_path / "ledger.sqlite3"), SqliteFile(tmp_path / "assemblies.sqlite3")
    records = SqliteRecordStore(file, "submissions", Submission)
    yield Scene(ledger, records, AssemblyService(records, ledger, reproducible=True))
    await file.close()
    await ledger.close()


async def test_an_id_that_is_taken_leaves_no_submission(scene: Scene) -> None:
    clock = Clock()
    hers = await scene.submissions.create([fresh(clock, "ada")])
    (upload,) = await scene.submissions.uploads(hers)
    his = [replace(fresh(clock, "bob"), declared_md5=md5) for md5 in MD5S]
    with pytest.raises(IdTaken):
        await scene.submissions.create([his[0], replace(his[1], id=upload.id)])
    assert await scene.records.in_group(assembly_id(MD5S, "auto", "bob")) == []
    with pytest.raises(NotFound):
        await scene.ledger.get(his[0].id)
    await scene.submissions.create(his)
    assert len(await scene.records.in_group(assembly_id(MD5S, "auto", "bob"))) == 1


async def test_a_submission_that_names_anothers_upload_has_no_part_in_it(scene: Scene) -> None:
    """A process that died between the record and its uploads, whose id was taken, has left such a one."""
    clock = Clock()
    hers = await scene.submissions.create([fresh(clock, "ada")])
    left = replace(hers, id="submission_left", owner="bob", group="0" * 64, revision=1)
    await scene.records.add(left)
    assert [upload.owner for upload in await scene.submissions.uploads(hers)] == ["ada"]
    assert await scene.submissions.uploads(left) == []
    with pytest.raises(NotFound):
        await scene.submissions.get(Viewer("bob"), "0" * 64)
