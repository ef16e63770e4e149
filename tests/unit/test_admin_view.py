"""The admin page's view of workers that compress films in segments."""

from __future__ import annotations

from roomcast.http.admin.view import board_snapshot, overview_snapshot
from roomcast.ledger.contract import LeasedTask, LeasedUpload, QueueStats
from roomcast.uploads.lifecycle import OUTCOME_STAGES, Stage, State
from roomcast.uploads.model import Upload


def upload(name: str) -> Upload:
    return Upload(name, "ada", "auto", f"{name}.mp4", "e", 1.0, 1.0, state=State(Stage.COMPRESSING, progress=40))


def test_worker_that_has_a_task_is_busy_and_one_whose_film_waits_is_not() -> None:
    film, photo = upload("film"), upload("photo")
    stats = QueueStats(
        waiting={},
        waiting_since=None,
        delayed=0,
        active=2,
        leased=[LeasedUpload(film, "one", 1.0, 9.0, waits_for_tasks=True), LeasedUpload(photo, "two", 2.0, 9.0)],
        outcomes=dict.fromkeys(OUTCOME_STAGES, 0),
        failures=[],
        tasks=[LeasedTask(film, "two", 3.0, 9.0, 0, 0.5), LeasedTask(film, "three", 3.0, 9.0, 7, 0.0)],
    )
    overview = overview_snapshot(stats, {"one": 1, "two": 2}, [], [], [], now=5.0)
    assert overview["workers"]["busy"] == 3
    shown = {
        process["process"]: (process["workers"], process["busy"], [
            (lease["uploadId"], lease["task"], lease["progress"], lease["waitsForTasks"]) for lease in process["leases"]
        ])
        for process in overview["workers"]["processes"]
    }  # fmt: skip
    assert shown == {
        "one": (1, 0, [("film", None, 40, True)]),
        "two": (2, 2, [("photo", None, 40, False), ("film", 0, 50, False)]),
        "three": (0, 1, [("film", 7, 0, False)]),
    }
    assert overview["statuses"]["compressing"] == 2, "an upload counts once"
    assert [row["uploadId"] for row in board_snapshot(overview, [], stats)["uploads"]] == ["film", "photo"]
