"""What is said about an upload on a terminal: short, and the same in bars, lines and tables. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roomcast.uploads.lifecycle import Stage, Status

if TYPE_CHECKING:  # it brings pydantic along
    from roomcast.uploads.messages import Message


def size(count: float) -> str:
    """Bytes for a person: `640 B`, `3.2 MB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5:
            return f"{count:.1f} {unit}" if count < 9.95 and unit != "B" else f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def duration(seconds: float) -> str:
    """`0:07`, `1:02:03`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def stage(state: Message) -> str:
    """What is being done with the upload."""
    return "sending" if state["stage"] == Stage.RECEIVING else state["stage"]


def detail(state: Message, *, bytes_per_second: float | None = None) -> str:
    """How it goes, in the terms of its stage: how much and how fast, its place in the queue, the time that is left."""
    said: list[str] = []
    if state["stage"] == Stage.RECEIVING:
        said.append(f"{size(state['bytesReceived'])} of {size(state['bytesExpected'] or 0)}")
        if bytes_per_second:
            said.append(f"{size(bytes_per_second)}/s")
            left = ((state["bytesExpected"] or 0) - state["bytesReceived"]) / bytes_per_second
            said.append(f"{duration(left)} left")
    if state["queuePosition"]:
        said.append(f"number {state['queuePosition']}")
    if state["speed"]:
        said.append(f"{state['speed']:.1f}×")
    if state["eta"]:
        said.append(f"{duration(state['eta'])} left")
    return ", ".join(said)


def line(state: Message) -> str:
    """The state in one line."""
    more = detail(state)
    return f"{state['progress']:.0f} % {stage(state)}" + (f" ({more})" if more else "")


def result(state: Message) -> str:
    """What came of an upload; its link is told by whoever knows the server."""
    if "element" not in state:
        return "received"
    element = state["element"]
    made, original = element["outputs"][0], element["original"]
    told = size(made["size"])
    if original["size"] and element["saved"]:
        told = f"{size(original['size'])} → {told} ({-element['saved']['percent']:+.0f} %)"
    return told


def row(state: Message) -> tuple[str, str, str, str, str]:
    """Its cells in a table: id, file, stage, percent, and how it goes or why it failed."""
    more = detail(state)
    if state["status"] == Status.ERROR:
        more = f"{state['error']['code']}: {state['error']['message']}"
    return state["uploadId"], state["filename"], stage(state), f"{state['progress']:.0f}", more
