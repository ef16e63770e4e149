"""How the command shows what it hears: bars on a terminal, lines elsewhere, or JSON for programs.

Progress and problems go to stderr, results to stdout. With JSON, all of it goes to stdout, an object a line.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Column
from rich.text import Text

from roomcast.cli import format as words
from roomcast.client.client import ended
from roomcast.client.errors import RoomcastError
from roomcast.uploads.lifecycle import Stage

if TYPE_CHECKING:  # it brings pydantic along
    from roomcast.uploads.messages import Message

_LINE_EVERY_PERCENT = 20.0
"""Of a stage."""

_LONGEST_NAME = 24


class Show(Protocol):
    """What is told while the command runs; `name` is what the user calls a file, or an upload's id."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def begin(self, name: str) -> None:
        """It is going to be worked on."""

    def state(self, name: str, state: Message) -> None:
        """A state that was heard."""

    def result(self, name: str, state: Message, where: str) -> None:
        """It is done; `where` its result is, if somebody waited for it."""

    def problem(self, name: str, error: RoomcastError) -> None:
        """It has failed."""

    def note(self, text: str) -> None:
        """For a person alone."""


class JsonLines:
    """Every message on a line of its own, with the `file` that it is about; failures as `{file, error}`."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def begin(self, name: str) -> None:
        pass

    def state(self, name: str, state: Message) -> None:
        put_json({"file": name, **state})

    def result(self, name: str, state: Message, where: str) -> None:
        pass  # it was in the last state

    def problem(self, name: str, error: RoomcastError) -> None:
        put_json({"file": name, "error": error.to_json()})

    def note(self, text: str) -> None:
        pass


class Lines:
    """A line whenever there is something new, for logs."""

    def __init__(self) -> None:
        self._said: dict[str, Message] = {}
        self._results: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for line in self._results:
            put(line)

    def begin(self, name: str) -> None:
        pass

    def state(self, name: str, state: Message) -> None:
        said = self._said.get(name)
        same_stage = said and said["stage"] == state["stage"]
        if said and same_stage and state["stageProgress"] < said["stageProgress"] + _LINE_EVERY_PERCENT:
            return
        self._said[name] = state
        if not ended(state):
            self.note(f"{name}: {words.line(state)}")

    def result(self, name: str, state: Message, where: str) -> None:
        self.note(f"{name}: done, {words.result(state)}")
        self._results.append(f"{name}\t{state['uploadId']}\t{where}")

    def problem(self, name: str, error: RoomcastError) -> None:
        self.note(f"{name}: {error}")

    def note(self, text: str) -> None:
        complain(text)


class Bars(Lines):
    """A bar for each file, and one for all of them where they are several."""

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
        self._rates: dict[str, Rate] = {}
        self._ended = 0
        self._overall = self._add("All files") if several else None

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *rest: object) -> None:
        self._progress.stop()
        super().__exit__(*rest)

    def begin(self, name: str) -> None:
        self._tasks[name] = self._add(name)
        self._rates[name] = Rate()
        self._sum_up()

    def state(self, name: str, state: Message) -> None:
        rate = self._rates[name].of(state["bytesReceived"]) if state["stage"] == Stage.RECEIVING else None
        self._progress.update(
            self._tasks[name],
            completed=state["progress"],
            stage=words.stage(state),
            detail=words.detail(state, bytes_per_second=rate),
        )
        self._sum_up()

    def result(self, name: str, state: Message, where: str) -> None:
        self._results.append(f"{name}\t{state['uploadId']}\t{where}")
        self._end(name, "[green]done", words.result(state))

    def problem(self, name: str, error: RoomcastError) -> None:
        self._end(name, "[red]failed", error.code)
        super().problem(name, error)

    def note(self, text: str) -> None:
        self._console.print(Text(text))

    def _add(self, name: str) -> TaskID:
        shown = name if len(name) <= _LONGEST_NAME else f"…{name[1 - _LONGEST_NAME :]}"
        return self._progress.add_task(escape(shown), total=100, stage="", detail="")

    def _end(self, name: str, stage: str, detail: str) -> None:
        self._ended += 1
        self._progress.update(self._tasks[name], stage=stage, detail=detail)
        self._sum_up()

    def _sum_up(self) -> None:
        if self._overall is None:
            return
        bars = [task for task in self._progress.tasks if task.id != self._overall]
        done = sum(task.completed for task in bars) / len(bars)
        self._progress.update(self._overall, completed=done, stage=f"{self._ended} of {len(bars)}")


class Rate:
    """How fast something grows, from the first reading on: per second, None as long as that cannot be said."""

    def __init__(self) -> None:
        self._first: tuple[float, int] | None = None

    def of(self, count: int) -> float | None:
        now = time.monotonic()
        if self._first is None:
            self._first = now, count
        since, begun_with = self._first
        return (count - begun_with) / (now - since) if count > begun_with and now > since else None


def shown(*, to_json: bool, several: bool = False) -> Show:
    """What fits where the output goes."""
    if to_json:
        return JsonLines()
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    return Bars(console, several=several) if console.is_terminal else Lines()


def put(line: str) -> None:
    """A line of the result."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def put_json(body: Mapping[str, Any]) -> None:
    put(json.dumps(body, ensure_ascii=False))


def complain(line: str) -> None:
    """A line that is no result."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
