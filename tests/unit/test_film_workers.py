"""Films in segments: workers that do uploads and tasks in turn, and a coordinator that plans, waits and joins."""

from __future__ import annotations

import asyncio
import errno
import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from roomcast.errors import DiskFull, EncodingFailed, TooLarge, TranscodeError, UnreadableMedia
from roomcast.extensions.steps import Step
from roomcast.runtime.clocks import unix_time
from roomcast.services.deletion import Deletion, clean_up_after_end
from roomcast.uploads.lifecycle import Stage
from roomcast.uploads.templates import Template
from roomcast.uploads.transitions import cancelled
from roomcast_workers import worker
from roomcast_workers.segments import coordinator

from tests.support.app import captured_log
from tests.support.film_workers import LADDER, SHORT, FilmWorkers, Task, answering, film_workers
from tests.support.segment_files import film_plan

FIRST, REST = ("480",), ("720",)
BOTH = ("720", "480")


@pytest.fixture
async def films(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FilmWorkers]:
    made = film_workers(tmp_path, monkeypatch)
    yield made
    await made.ledger.close()


@pytest.fixture
def log() -> Iterator[list[dict[str, Any]]]:
    with captured_log() as entries:
        yield entries


async def test_film_is_playable_after_its_first_segment_and_joined_of_all(films: FilmWorkers) -> None:
    await films.encoder.release(lambda task: task.segment == 0 and task.renditions == FIRST)
    async with films.workers(1):
        film = await films.queue()
        playable = (await films.until(film, lambda upload: upload.playable is not None)).playable
        assert playable == {
            "key": f"{film}/segments/hls.m3u8",
            "mime": "application/vnd.apple.mpegurl",
            "qualities": [{"name": "480", "width": 853, "height": 480}],
            "duration": 24.0,
        }
        assert (await films.ledger.get(film)).stage is Stage.COMPRESSING
        released_at = unix_time()
        await films.encoder.release()
        done = await films.ended(film)
    assert done.stage is Stage.DONE
    assert films.encoder.done == [
        Task("film.mp4", segment, renditions) for segment, renditions in ((0, FIRST), (0, REST), (1, BOTH), (2, BOTH))
    ]
    assert (films.folder / "data" / "media" / film / "video.mp4").read_bytes() == b"[0][1][2]<720>"
    assert [output["kind"] for output in (done.element or {})["outputs"]] == ["video"]
    assert done.segments_expire_at is not None
    assert released_at + 624 <= done.segments_expire_at <= done.updated_at + 624
    names = [name for name in films.stored(film) if name.startswith("segments/")]
    assert {"segments/hls.m3u8", "segments/hls-480.m3u8"} < set(names)
    assert len(names) == 2 + 1 + 3  # the playlists, and the segments with their initialization
    assert await films.ledger.segments.board(film) is None


async def test_ladder_of_a_template_is_made_of_the_segments_and_stays(films: FilmWorkers) -> None:
    async with films.workers(2):
        film = await films.queue(template=LADDER.name)
        done = await films.ended(film)
    video, ladder = (done.element or {})["outputs"]
    assert (video["kind"], ladder["kind"], ladder["key"]) == ("video", "hls", f"{film}/segments/hls.m3u8")
    assert (ladder["width"], ladder["height"], ladder["duration"]) == (853, 480, 24.0)
    assert done.segments_expire_at is None


@pytest.mark.parametrize(("template", "ladder"), [("auto", []), (LADDER.name, ["hls.m3u8"])])
async def test_step_of_an_application_gets_the_results_of_a_film_without_what_only_players_need(
    films: FilmWorkers, template: str, ladder: list[str]
) -> None:
    given = list[str]()
    films.steps = [Step("publish", lambda job: given.extend(path.name for path in job.results), after="compress")]
    async with films.workers(1):
        assert (await films.ended(await films.queue(template=template))).stage is Stage.DONE
    assert given == ["video.mp4", *ladder]


async def test_process_that_dies_after_the_end_leaves_segments_that_no_playlist_has_to_the_next_sweep(
    films: FilmWorkers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "clean_up_after_end", answering(None))  # the process is dead by then
    async with films.workers(2):
        film = await films.queue(template=LADDER.name)
        await films.ended(film)
    assert any(name.startswith("segments/hls-720-") for name in films.stored(film))
    due = await films.ledger.claim_cleanup()
    assert due is not None
    await Deletion(films.ledger, films.media, None, None).clean_up(due)  # type: ignore[arg-type]
    left = [name for name in films.stored(film) if name.endswith((".m4s", "init.mp4"))]
    assert {name.split("-")[1] for name in left} == {"480"}
    assert len(left) == 1 + 3
    assert await films.ledger.claim_cleanup() is None

    monkeypatch.setattr(worker, "clean_up_after_end", clean_up_after_end)
    async with films.workers(2):
        other = await films.queue(template=LADDER.name)
        await films.ended(other)
    assert not any(name.startswith("segments/hls-720-") for name in films.stored(other))
    assert await films.ledger.claim_cleanup() is None, "nothing is left to do"


async def test_video_beside_its_ladder_is_made_after_it_and_in_one_run(films: FilmWorkers) -> None:
    films.plan = replace(film_plan(), ladder_only=True)
    await films.encoder.release(lambda task: task.segment == 0)
    async with films.workers(1):
        film = await films.queue(template=LADDER.name)
        await films.until(film, lambda upload: upload.playable is not None)
        await films.encoder.release()
        done = await films.ended(film)
    assert [output["kind"] for output in (done.element or {})["outputs"]] == ["video", "hls"]
    assert (films.folder / "data" / "media" / film / "video.mp4").read_bytes() == b"short"
    assert len(films.encoder.done) == 4
    assert {"segments/hls-720.m3u8", "segments/hls-480.m3u8"} < set(films.stored(film))
    bar = [upload.state.progress for upload in films.events]
    assert bar == sorted(bar)


async def test_ladder_that_its_plan_does_not_fit_is_made_in_one_run(
    films: FilmWorkers, log: list[dict[str, Any]]
) -> None:
    films.plan = replace(film_plan(), ladder_only=True)
    films.encoder.failures = [(1, EncodingFailed("A keyframe of the source does not begin a segment."))] * 3
    async with films.workers(1, attempts=1):
        film = await films.queue(template=LADDER.name)
        done = await films.ended(film)
    assert done.stage is Stage.DONE
    assert films.stored(film) == ["video.mp4"]
    assert [entry["reason"] for entry in log if entry["event"] == "film_in_one_run"] == [
        "A keyframe of the source does not begin a segment."
    ]


async def test_segment_of_a_film_with_a_target_quality_is_encoded_with_knowledge_of_the_nearest(
    films: FilmWorkers,
) -> None:
    async with films.workers(1):
        await films.ended(await films.queue())
        assert films.encoder.similar == {}
        films.plan = replace(films.plan, settings={"metric": "vmaf"})
        await films.ended(await films.queue("other.mp4"))
    assert films.encoder.similar == {1: 0, 2: 1}


async def test_workers_share_the_tasks_of_a_film(films: FilmWorkers) -> None:
    await films.encoder.release(lambda task: False)
    async with films.workers(3):
        film = await films.queue()
        await films.encoder.until(lambda: films.encoder.running.total() == 3)
        await films.encoder.release()
        await films.ended(film)
    assert len(films.encoder.begun) == len(films.encoder.done) == 4
    assert films.encoder.most_running == 3


async def test_upload_of_another_viewer_waits_for_at_most_one_segment(films: FilmWorkers) -> None:
    await films.encoder.release(lambda task: len(films.encoder.begun) == 1)
    async with films.workers(1):
        film = await films.queue()
        await films.encoder.until(lambda: len(films.encoder.begun) == 2)
        other = await films.queue(SHORT, owner="bob")
        await films.encoder.release(lambda task: len(films.encoder.begun) <= 2)
        assert (await films.ended(other)).stage is Stage.DONE
        await films.encoder.until(lambda: len(films.encoder.begun) == 3)
        assert not (await films.ledger.get(film)).state.terminal
        await films.encoder.release()
        assert (await films.ended(film)).stage is Stage.DONE


async def test_process_that_coordinates_as_many_films_as_it_may_claims_no_further_video(
    films: FilmWorkers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "_MAX_PARKED", 1)
    await films.encoder.release(lambda task: False)
    async with films.workers(2):
        first = await films.queue()
        await films.encoder.until(lambda: len(films.encoder.begun) == 2)
        short = await films.queue(SHORT, owner="bob")
        await films.encoder.release(lambda task: task.segment == 0)
        await films.encoder.until(lambda: len(films.encoder.begun) == 4)
        photo = await films.queue(SHORT, owner="eve", kind="image")
        await films.encoder.release(lambda task: task.segment <= 1)
        assert (await films.ended(photo)).stage is Stage.DONE
        assert (await films.ledger.get(short)).stage is Stage.QUEUED
        await films.encoder.release()
        assert (await films.ended(first)).stage is Stage.DONE
        assert (await films.ended(short)).stage is Stage.DONE


async def test_cancel_is_recorded_after_all_workers_of_the_film_have_stopped(films: FilmWorkers) -> None:
    await films.encoder.release(lambda task: task.segment == 0)
    async with films.workers(3):
        film = await films.queue()
        await films.encoder.until(lambda: len(films.encoder.done) == 2 and films.encoder.running.total() == 2)
        running = list[int]()
        films.ledger.add_observer(
            lambda _, after: running.append(films.encoder.running.total()) if after.state.terminal else None
        )
        await films.ledger.request_cancel(film, cancelled(Stage.COMPRESSING))
        assert (await films.ended(film)).stage is Stage.CANCELLED
    assert running == [0]
    assert films.stored(film) == []
    assert await films.ledger.segments.board(film) is None


async def test_task_that_fails_is_tried_again_and_then_fails_the_film(
    films: FilmWorkers, log: list[dict[str, Any]]
) -> None:
    films.encoder.failures += [(1, TranscodeError("The encoder was killed.")), (2, DiskFull("The disk is full."))]
    async with films.workers(2, attempts=2):
        film = await films.queue()
        assert (await films.ended(film)).stage is Stage.DONE
        assert sorted(task.segment for task in films.encoder.begun) == [0, 0, 1, 1, 2, 2]

        films.encoder.begun.clear()
        films.encoder.failures += [(1, TooLarge("The segment is too large."))]
        other = await films.queue()
        failed = await films.ended(other)
    assert failed.error is not None
    assert (failed.stage, failed.error["code"], failed.error["message"]) == (
        Stage.FAILED, "TOO_LARGE", "The segment is too large.",
    )  # fmt: skip
    assert failed.error["step"] == "compressing"
    assert failed.error["retryable"] is False
    assert films.stored(other) == []


async def test_next_attempt_makes_no_result_again_and_its_bar_does_not_fall(films: FilmWorkers) -> None:
    errors, store = [OSError(errno.ENOSPC, "No space left on device")], films.media.store

    async def fail_once(path: Path, folder: str, name: str, on_bytes: Any, **more: Any) -> str:
        if name == "video.mp4" and errors:
            raise errors.pop()
        return await store(path, folder, name, on_bytes, **more)

    films.media.store = fail_once  # type: ignore[method-assign]
    async with films.workers(1, attempts=2):
        film = await films.queue()
        done = await films.ended(film)
    assert (done.stage, done.state.attempt) == (Stage.DONE, 2)
    assert [task.segment for task in films.encoder.done] == [0, 0, 1, 2]
    assert {upload.error["code"] for upload in films.events if upload.error} == {"DISK_FULL"}
    progress = [upload.state.progress for upload in films.events if upload.id == film]
    assert progress == sorted(progress)


async def test_error_of_a_task_that_lasts_is_tried_as_often_as_an_upload_and_is_visible_meanwhile(
    films: FilmWorkers, monkeypatch: pytest.MonkeyPatch
) -> None:
    again, hours = "A segment could not be compressed and will be tried again. The others continue.", [0]
    monkeypatch.setattr(films.ledger.segments, "_clock", lambda: unix_time() + 3600 * hours[0])
    films.encoder.failures += [(2, OSError(errno.ENOSPC, "No space left on device"))] * 9
    async with films.workers(1, attempts=3, retry_seconds=3600):
        film = await films.queue()
        await films.until(film, lambda upload: upload.text == again)
        hours[0] += 10
        failed = await films.ended(film)
    assert failed.error is not None
    assert (failed.state.attempt, failed.error["code"], failed.error["retryable"]) == (1, "DISK_FULL", True)
    assert len(films.encoder.failures) == 9 - 3
    texts = [text for text, _ in itertools.groupby(upload.text for upload in films.events if upload.id == film)]
    assert texts.count(again) >= 1
    assert texts.index(again) < texts.index("The disk is full.") == len(texts) - 1


async def test_lost_workers_of_a_task_do_not_count_as_its_errors(films: FilmWorkers) -> None:
    await films.encoder.release(lambda task: False)
    async with films.workers(1):
        film = await films.queue()
        await films.encoder.until(lambda: len(films.encoder.begun) == 1)
    for _ in range(3):
        claim = await films.ledger.segments.claim(holder="lost", encoder="encoder-1", seconds=-1)
        assert claim is not None
        assert (claim.task.number, claim.failures) == (0, 0)
    films.encoder.failures += [(0, DiskFull("The disk is full."))]
    await films.encoder.release()
    async with films.workers(1, attempts=2):
        await films.dispatch.wake(film, -1)
        assert (await films.ended(film)).stage is Stage.DONE


async def test_shutdown_hands_the_film_and_its_tasks_back(films: FilmWorkers) -> None:
    await films.encoder.release(lambda task: task.segment == 0)
    async with films.workers(2):
        film = await films.queue()
        await films.encoder.until(lambda: len(films.encoder.done) == 2 and films.encoder.running.total() == 2)
    assert films.encoder.running.total() == 0
    upload = await films.ledger.get(film)
    assert (upload.stage, upload.state.attempt) == (Stage.QUEUED, 1)
    board = await films.ledger.segments.board(film)
    assert board is not None
    assert (sorted(board.results), board.running, board.failures) == ([0, 1], (), {})

    await films.encoder.release()
    async with films.workers(2):
        await films.dispatch.wake(film, upload.seq)
        assert (await films.ended(film)).stage is Stage.DONE
    assert sorted(task.segment for task in films.encoder.done) == [0, 0, 1, 2]


async def test_film_whose_next_attempt_fails_early_leaves_no_segments_behind(films: FilmWorkers) -> None:
    await films.encoder.release(lambda task: task.segment == 0)
    async with films.workers(1):
        film = await films.queue()
        await films.encoder.until(lambda: len(films.encoder.begun) == 3)
    assert any(name.startswith("segments/") for name in films.stored(film))
    (films.folder / "data" / "incoming" / f"{film}.1").unlink()
    async with films.workers(1):
        await films.dispatch.wake(film, -1)
        failed = await films.ended(film)
    assert failed.error is not None
    assert (failed.stage, failed.error["step"]) == (Stage.FAILED, "fetching")
    assert films.stored(film) == []


async def test_worker_with_another_encoder_leaves_the_tasks_and_plans_its_own_films_anew(
    films: FilmWorkers, monkeypatch: pytest.MonkeyPatch
) -> None:
    await films.encoder.release(lambda task: task.segment == 0)
    async with films.workers(1):
        film = await films.queue()
        await films.encoder.until(lambda: len(films.encoder.begun) == 3)
        claim = await films.ledger.segments.claim(holder="other", encoder="encoder-2", seconds=60)
        assert claim is None
        await films.until(film, lambda upload: upload.playable is not None)
    first, handed_back = await films.ledger.segments.board(film), await films.ledger.get(film)
    assert handed_back.playable, "who plays the film goes on, and waits for the next worker"
    monkeypatch.setattr(worker, "read_encoder_version", answering("encoder-2"))
    await films.encoder.release(lambda task: False)
    async with films.workers(1):
        await films.dispatch.wake(film, -1)
        await films.until(film, lambda upload: upload.seq > handed_back.seq and upload.playable is None)
        await films.encoder.release()
        assert (await films.ended(film)).stage is Stage.DONE
    assert first is not None
    assert len(first.results) == 2
    assert sorted(task.segment for task in films.encoder.done) == [0, 0, 0, 0, 1, 2]
    assert {name.split("-")[2] for name in films.stored(film) if name.endswith((".m4s", "init.mp4"))} == {"2"}
    playable = [bool(event.playable) for event in films.events if event.id == film and not event.state.terminal]
    assert [held for held, _ in itertools.groupby(playable)] == [False, True, False, True]


async def test_stored_segment_that_is_gone_is_made_again(films: FilmWorkers) -> None:
    lost = list[Path]()
    fetch_result = films.media.fetch_result

    def fetch(key: str, scratch: Path) -> Any:
        if not lost and key.endswith("00001.m4s"):
            lost.append(films.folder / "data" / "media" / key)
            lost[0].unlink()
        return fetch_result(key, scratch)

    films.media.fetch_result = fetch  # type: ignore[method-assign]
    async with films.workers(1):
        film = await films.queue()
        done = await films.ended(film)
    assert (done.stage, done.state.attempt) == (Stage.DONE, 2)
    assert (films.folder / "data" / "media" / film / "video.mp4").read_bytes() == b"[0][1][2]<720>"


async def test_worker_whose_film_has_ended_leaves_no_files_behind(films: FilmWorkers) -> None:
    await films.encoder.release(lambda task: task.segment == 0)
    storing, stored = asyncio.Event(), asyncio.Event()
    store = films.media.store

    async def slow(path: Path, folder: str, name: str, on_bytes: Any, **more: Any) -> str:
        if name.endswith("00002.m4s"):
            storing.set()
            await stored.wait()
        return await store(path, folder, name, on_bytes, **more)

    films.media.store = slow  # type: ignore[method-assign]
    async with films.workers(2):
        film = await films.queue()
        await films.encoder.until(lambda: films.encoder.running.total() == 2)
        films.encoder.failures += [(1, TooLarge("The segment is too large."))]
        await films.encoder.release(lambda task: task.segment != 1)
        await storing.wait()
        await films.encoder.release()
        assert (await films.ended(film)).stage is Stage.FAILED
        stored.set()
    assert films.stored(film) == []


async def test_segment_that_is_stored_after_its_plan_was_withdrawn_is_deleted(films: FilmWorkers) -> None:
    await films.encoder.release(lambda task: task.segment == 0)
    storing, ended = asyncio.Event(), asyncio.Event()
    store = films.media.store

    async def slow(path: Path, folder: str, name: str, on_bytes: Any, **more: Any) -> str:
        if name.endswith("00002.m4s"):
            storing.set()
            while not ended.is_set():
                with suppress(asyncio.CancelledError):  # as a rename that a thread has begun
                    await ended.wait()
        return await store(path, folder, name, on_bytes, **more)

    films.media.store = slow  # type: ignore[method-assign]
    async with films.workers(2):
        film = await films.queue()
        await films.encoder.until(lambda: films.encoder.running.total() == 2)
        films.encoder.failures += [(1, EncodingFailed("A segment has 199 frames instead of 200."))]
        await films.encoder.release(lambda task: task.segment != 1)
        await storing.wait()
        await films.encoder.release()
        assert (await films.ended(film)).stage is Stage.DONE
        ended.set()
    assert films.stored(film) == ["video.mp4"]


async def test_film_that_is_compressed_in_one_run_now_forgets_its_earlier_plan(
    films: FilmWorkers, log: list[dict[str, Any]]
) -> None:
    await films.encoder.release(lambda task: task.segment == 0)
    async with films.workers(1):
        film = await films.queue()
        await films.encoder.until(lambda: len(films.encoder.begun) == 3)
    assert any(name.startswith("segments/") for name in films.stored(film))
    films.in_one_run = True
    async with films.workers(1):
        await films.dispatch.wake(film, -1)
        assert (await films.ended(film)).stage is Stage.DONE
    assert films.stored(film) == ["video.mp4"]
    assert [entry["reason"] for entry in log if entry["event"] == "film_in_one_run"] == ["The film is short."]


async def test_film_of_which_the_sound_fails_is_compressed_in_one_run(
    films: FilmWorkers, log: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        await films.encoder.until(lambda: bool(films.encoder.begun))
        raise UnreadableMedia("None of the video's audio can be decoded.")

    monkeypatch.setattr(coordinator, "encode_sound", fail)
    films.plan = replace(films.plan, has_audio=True)
    async with films.workers(1):
        film = await films.queue()
        assert (await films.ended(film)).stage is Stage.DONE
    assert films.stored(film) == ["video.mp4"]
    reasons = [entry["reason"] for entry in log if entry["event"] == "film_in_one_run"]
    assert reasons == ["None of the video's audio can be decoded."]


async def test_film_that_its_plan_does_not_fit_is_compressed_in_one_run(
    films: FilmWorkers, log: list[dict[str, Any]]
) -> None:
    films.encoder.failures += [(1, EncodingFailed("A segment has 199 frames instead of 200."))]
    async with films.workers(1):
        film = await films.queue()
        done = await films.ended(film)
    assert (done.stage, done.state.attempt) == (Stage.DONE, 1)
    assert films.stored(film) == ["video.mp4"]
    reasons = [entry["reason"] for entry in log if entry["event"] == "film_in_one_run"]
    assert reasons == ["A segment has 199 frames instead of 200."]


async def test_film_can_be_retried_if_a_process_has_another_configuration_without_its_template(
    films: FilmWorkers,
) -> None:
    other = Template(name="other")
    async with films.workers(1, attempts=2, template=other):
        unknown = await films.ended(await films.queue(template=LADDER.name))
    assert (unknown.state.attempt, unknown.error and unknown.error["retryable"]) == (2, True)
    assert unknown.source is not None
    async with films.media.open_source(unknown.source.key, films.folder):
        pass
    await films.encoder.release(lambda task: task.segment > 2)
    async with films.workers(1, attempts=1):
        film = await films.queue(template=LADDER.name)
        await films.encoder.until(lambda: len(films.encoder.begun) == 1)
        async with films.workers(1, attempts=1, template=other):
            failed = await films.ended(film)
    assert failed.error
    assert (failed.error["message"], failed.error["retryable"]) == (
        "The template ladder is not configured on this server.",
        True,
    )
