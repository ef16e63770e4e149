"""Show progress and results: as bars on a terminal, as lines elsewhere, or as JSON.

Progress and errors go to stderr and results to stdout. With JSON everything goes to stdout, one object per line.
"""

from __future__ import annotations

import time
from collections import defaultdict
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Column
from rich.text import Text

from roomcast.cli import formatting
from roomcast.cli.printing import print_error, print_json, print_line
from roomcast.cli.table import shortened
from roomcast.client.client import is_terminal
from roomcast.client.errors import ClientError
from roomcast.client.transfer_rate import TransferRate
from roomcast.errors import Code
from roomcast.runtime.logs.terminal import printable
from roomcast.uploads.lifecycle import Stage

if TYPE_CHECKING:  # it imports pydantic
    from roomcast.uploads.messages import Message

_LINE_EVERY_PERCENT = 20.0
"""The stage progress between two lines."""

_MAX_NAME_LENGTH = 24
_ALREADY_THERE = "already there, not sent"


class Display(Protocol):
    """Shows a running command. `name` is a file as the user wrote it, or the id of an upload."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def begin(self, name: str) -> None:
        """Show a new file."""

    def state(self, name: str, state: Message) -> None:
        """Show a new state."""

    def result(self, name: str, state: Message, location: str, *, existed: bool = False) -> None:
        """Show a success. `location` is the URL or the folder of the result, or empty. With `existed`, the server had
        the upload already."""

    def problem(self, name: str, error: ClientError) -> None:
        """Show a failure."""

    def note(self, text: str) -> None:
        """Show a sentence that is not for programs."""


class JsonDisplay:
    """Writes every message in a line, with its `file`; failures as `{file, error}`."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def begin(self, name: str) -> None:
        pass

    def state(self, name: str, state: Message) -> None:
        print_json({"file": name, **state})

    def result(self, name: str, state: Message, location: str, *, existed: bool = False) -> None:
        pass  # the last state has it

    def problem(self, name: str, error: ClientError) -> None:
        print_json({"file": name, "error": error.to_json()})

    def note(self, text: str) -> None:
        pass


class LineDisplay:
    """Writes a line for every new stage and every fifth of one, for logs."""

    def __init__(self) -> None:
        self._latest: dict[str, Message] = {}
        self._rates: defaultdict[str, TransferRate] = defaultdict(TransferRate)
        self._results: list[str] = []
        self._expiries: list[str] = []
        """When the URLs of the results expire."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for line in self._results:
            print_line(line)
        if self._expiries:
            moment = formatting.moment(min(self._expiries), datetime.now().astimezone())
            print_error(f"The links are valid until {moment}.")

    def begin(self, name: str) -> None:
        pass

    def state(self, name: str, state: Message) -> None:
        speed = self._speed(name, state)
        latest = self._latest.get(name)
        same_stage = latest and latest["stage"] == state["stage"]
        if latest and same_stage and state["stageProgress"] < latest["stageProgress"] + _LINE_EVERY_PERCENT:
            return
        self._latest[name] = state
        if not is_terminal(state):
            self.note(f"{name}: {formatting.line(state, speed=speed)}")

    def result(self, name: str, state: Message, location: str, *, existed: bool = False) -> None:
        self.note(f"{name}: {_ALREADY_THERE if existed else 'done'}, {formatting.result(state)}")
        self._add_result(name, state, location)

    def problem(self, name: str, error: ClientError) -> None:
        self.note(f"{name}: {formatting.problem(error)}")

    def note(self, text: str) -> None:
        print_error(text)

    def _add_result(self, name: str, state: Message, location: str) -> None:
        self._results.append(f"{printable(name)}\t{state['uploadId']}\t{location}")
        expires = state["element"].get("urlsExpireAt") if "element" in state else None
        if expires and "://" in location:
            self._expiries.append(expires)

    def _speed(self, name: str, state: Message) -> formatting.Speed | None:
        """Return the speed of the transfer, or None unless the file is being sent."""
        rate = self._rates[name]
        if state["stage"] != Stage.RECEIVING:
            rate.restart()
            return None
        now = time.monotonic()
        rate.update(now, state["bytesReceived"])
        speed, left = rate.bytes_per_second(now), rate.seconds_left(now, state["bytesExpected"] or 0)
        return None if not speed or left is None else formatting.Speed(speed, left)


class BarDisplay(LineDisplay):
    """Draws a bar for each file, and one for all of them when there are several."""

    def __init__(self, console: Console, *, several: bool) -> None:
        super().__init__()
        self._console = console
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24, table_column=Column(min_width=12)),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[stage]}"),
            TextColumn("[dim]{task.fields[detail]}", table_column=Column(no_wrap=True)),
            console=console,
        )
        self._tasks: dict[str, TaskID] = {}
        self._ended = self._failed = 0
        self._overall = self._add("All files") if several else None

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *rest: object) -> None:
        self._progress.stop()
        super().__exit__(*rest)

    def begin(self, name: str) -> None:
        self._tasks[name] = self._add(name)
        self._update_overall()

    def state(self, name: str, state: Message) -> None:
        self._progress.update(
            self._tasks[name],
            completed=state["progress"],
            stage=formatting.stage(state),
            detail=formatting.detail(state, speed=self._speed(name, state)),
        )
        self._update_overall()

    def result(self, name: str, state: Message, location: str, *, existed: bool = False) -> None:
        self._add_result(name, state, location)
        self._progress.update(self._tasks[name], completed=100)
        self._end(name, f"[green]{_ALREADY_THERE if existed else 'done'}", formatting.result(state))

    def problem(self, name: str, error: ClientError) -> None:
        self._failed += 1
        self._end(name, "[red]failed" if error.code != Code.CANCELLED else "cancelled", error.code)
        super().problem(name, error)

    def note(self, text: str) -> None:
        self._console.print(Text(printable(text)))

    def _add(self, name: str) -> TaskID:
        return self._progress.add_task(
            escape(shortened(printable(name), _MAX_NAME_LENGTH)), total=100, stage="", detail=""
        )

    def _end(self, name: str, stage: str, detail: str) -> None:
        self._ended += 1
        self._progress.update(self._tasks[name], stage=stage, detail=detail)
        self._update_overall()

    def _update_overall(self) -> None:
        if self._overall is None:
            return
        bars = [task for task in self._progress.tasks if task.id != self._overall]
        if self._ended < len(bars):
            done, text = sum(task.completed for task in bars) / len(bars), f"{self._ended} of {len(bars)} done"
        else:  # a file that has failed is done with, too
            done, text = 100.0, f"{self._ended - self._failed} of {len(bars)} done"
        self._progress.update(self._overall, completed=done, stage=text)


def open_display(*, as_json: bool, several: bool = False) -> Display:
    """Return the display that suits the output."""
    if as_json:
        return JsonDisplay()
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    return BarDisplay(console, several=several) if console.is_terminal else LineDisplay()
