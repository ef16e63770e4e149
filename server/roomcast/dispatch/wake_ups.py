"""Wake-ups that no event has caused: for the tasks of a film, and after a pause, workers are needed again and again."""

from __future__ import annotations

import itertools

from roomcast.dispatch.contract import Dispatch
from roomcast.errors import RoomcastError
from roomcast.runtime.clocks import unix_time

_numbers = itertools.count()


async def wake_worker(dispatch: Dispatch, upload_id: str) -> None:
    """Wake one worker with the id of an upload, also if other wake-ups with it are pending or were sent."""
    # No event has a negative number, and the dispatch ignores a number that it has had.
    await dispatch.wake(upload_id, -round(unix_time() * 1e6) - next(_numbers))


async def wake_workers(dispatch: Dispatch, upload_id: str, *, at_most: int) -> None:
    """Wake one worker for each live one of the deployment, but `at_most` so many."""
    for _ in range(min(at_most, await count_workers(dispatch))):
        await wake_worker(dispatch, upload_id)


async def count_workers(dispatch: Dispatch) -> int:
    """Return the number of live workers of the deployment, 1 if it is not known."""
    try:
        return (await dispatch.live_workers()).total()
    except RoomcastError:
        return 1
