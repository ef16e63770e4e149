"""Submissions: created together with their uploads, and without those of others, whatever ids clients choose."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from roomcast.assemblies.model import Submission, assembly_id
from roomcast.assemblies.service import AssemblyService
from roomcast.assemblies.sqlite_store import SqliteRecordStore
from roomcast.errors import IdTaken, NotFound, TooMany
from roomcast.ledger.sqlite.ledger import SqliteLedger
from roomcast.uploads.lifecycle import Entered, Stage
from roomcast.uploads.model import Change, Upload

from tests.support.ledgers import SOURCE, Clock, finish, fresh

MD5S = ["0" * 32, "1" * 32]


@dataclass(frozen=True)
class Scene:
    ledger: SqliteLedger
    records: SqliteRecordStore[Submission]
    submissions: AssemblyService


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    ledger = SqliteLedger(tmp_path / "ledger.sqlite3")
    records = SqliteRecordStore(ledger.database, "submissions", Submission)
    yield Scene(ledger, records, AssemblyService(records, ledger, reproducible=True))
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


async def test_a_submission_excludes_an_upload_whose_id_was_chosen_again(scene: Scene) -> None:
    """Its own upload with that id was pruned."""
    clock = Clock()
    hers = await scene.submissions.create([fresh(clock, "ada")])
    left = replace(hers, id="submission_left", owner="bob", group="0" * 64, revision=1)
    await scene.records.add(left)
    assert [upload.owner for upload in await scene.submissions.uploads(hers)] == ["ada"]
    assert await scene.submissions.uploads(left) == []
    assert [found async for found in scene.submissions.with_id("0" * 64)] == []


async def test_a_file_that_is_refused_is_not_listed_in_its_form(scene: Scene) -> None:
    clock = Clock()
    first, second = fresh(clock), fresh(clock)
    form = await scene.submissions.add_file(first, "a", None, in_flight=1)
    with pytest.raises(TooMany):
        await scene.submissions.add_file(second, "b", form, in_flight=1)
    submission = await scene.records.get(form)
    assert [(file.upload_id, file.field) for file in submission.files] == [(first.id, "a")]


async def test_files_added_to_a_form_at_once_are_all_listed(scene: Scene) -> None:
    clock = Clock()
    uploads = [fresh(clock) for _ in range(8)]
    form = await scene.submissions.add_file(uploads[0], "f", None)
    await asyncio.gather(*(scene.submissions.add_file(upload, "f", form) for upload in uploads[1:]))
    submission = await scene.records.get(form)
    assert {file.upload_id for file in submission.files} == {upload.id for upload in uploads}
    assert len(await scene.submissions.uploads(submission)) == 8


async def completed(scene: Scene, owner: str, template: str, *md5s: str) -> Submission:
    """Create a submission of completed uploads with these MD5s."""
    clock = Clock()
    uploads = [replace(fresh(clock, owner), template=template, declared_md5=md5) for md5 in md5s]
    submission = await scene.submissions.create(uploads)
    for upload, md5 in zip(uploads, md5s, strict=True):
        await scene.ledger.append(upload.id, Change(Entered(Stage.QUEUED), "Queued", source=replace(SOURCE, md5=md5)))
        claim = await scene.ledger.claim_next(holder="w", seconds=5.0)
        assert claim is not None
        await finish(scene.ledger, claim)
    return submission


def declared(owner: str, template: str, *md5s: str) -> list[Upload]:
    """Return the uploads of a reservation that declares these MD5s."""
    return [replace(fresh(Clock(), owner), template=template, declared_md5=md5) for md5 in md5s]


async def test_files_known_under_an_id_that_two_users_share_are_not_the_others(scene: Scene) -> None:
    hers = await completed(scene, "12", "clip", *MD5S)
    assert hers.group == assembly_id(MD5S, "clip1", "2"), "the two ids are equal"
    assert await scene.submissions.find_completed(declared("2", "clip1", *MD5S)) is None
    found = await scene.submissions.find_completed(declared("12", "clip", *reversed(MD5S)))
    assert found is not None
    assert found.submission.id == hers.id

    his = await completed(scene, "2", "clip1", *MD5S)
    assert his.group == hers.group
    for owner, template, submission in (("2", "clip1", his), ("12", "clip", hers)):
        found = await scene.submissions.find_completed(declared(owner, template, *MD5S))
        assert found is not None
        assert found.submission.id == submission.id
    assert [found.submission.id async for found in scene.submissions.with_id(hers.group)] == [his.id, hers.id]


async def test_files_known_under_an_id_that_two_templates_share_are_not_the_others(scene: Scene) -> None:
    """A template may be named as an MD5 is."""
    one, other = MD5S
    two = await completed(scene, "ada", "clip", *MD5S)
    assert two.group == assembly_id([one], f"{other}clip", "ada")
    assert await scene.submissions.find_completed(declared("ada", f"{other}clip", one)) is None
    assert await scene.submissions.find_completed(declared("ada", "clip", *MD5S)) is not None
