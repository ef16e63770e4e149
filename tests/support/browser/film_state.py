"""The segments of a film of hours, as the admin page asks for them."""

from __future__ import annotations

from dataclasses import replace

from playwright.async_api import Route
from roomcast.http.admin.detail.film_segments import film_segments
from roomcast.runtime.clocks import unix_time
from roomcast.segments.plan import RunningTask, SegmentBoard

from tests.support.segment_files import film_plan, made_by, sound_of


class FilmState:
    """The state of a film of hours that grows by a segment with each request for it."""

    def __init__(self) -> None:
        self.plan = film_plan([8.0] * 1999, audio=True)
        self.board = SegmentBoard(self.plan, audio=sound_of(self.plan, 3))
        self.done = 40

    async def answer(self, route: Route) -> None:
        tasks = self.plan.tasks
        results = {number: made_by(self.plan, tasks[number], decodable=number != 30) for number in range(self.done)}
        running = (RunningTask(self.done, "host.1", since=0, expires_at=unix_time() + 60, fraction=0.43),)
        board = replace(self.board, results=results, running=running, failures={self.done: 1})
        self.done += 1
        await route.fulfill(json={"film": film_segments(board, unix_time())})
