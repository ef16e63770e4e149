"""Format the state of an upload for a terminal: for bars, lines and tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from roomcast.cli.doctor.findings import Diagnosis
from roomcast.uploads.lifecycle import Stage, Status

if TYPE_CHECKING:  # it imports pydantic
    from roomcast.uploads.messages import Message


def size(count: float) -> str:
    """Format a number of bytes: `640 B`, `3.2 MB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5:
            return f"{count:.1f} {unit}" if count < 9.95 and unit != "B" else f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def duration(seconds: float) -> str:
    """Format a duration: `0:07`, `1:02:03`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def stage(state: Message) -> str:
    """Return the stage, as the sender sees it."""
    return "sending" if state["stage"] == Stage.RECEIVING else state["stage"]


def detail(state: Message, *, bytes_per_second: float | None = None) -> str:
    """Format the progress within the stage: bytes, speed, position in the queue and remaining time."""
    facts: list[str] = []
    if state["stage"] == Stage.RECEIVING:
        facts.append(f"{size(state['bytesReceived'])} of {size(state['bytesExpected'] or 0)}")
        if bytes_per_second:
            facts.append(f"{size(bytes_per_second)}/s")
            left = ((state["bytesExpected"] or 0) - state["bytesReceived"]) / bytes_per_second
            facts.append(f"{duration(left)} left")
    if state["queuePosition"]:
        facts.append(f"number {state['queuePosition']} in the queue")
    if state["speed"]:
        facts.append(f"{state['speed']:.1f}×")
    if state["eta"]:
        facts.append(f"{duration(state['eta'])} left")
    return ", ".join(facts)


def line(state: Message) -> str:
    """Format a state in one line."""
    more = detail(state)
    return f"{state['progress']:.0f} % {stage(state)}" + (f" ({more})" if more else "")


def result(state: Message) -> str:
    """Format the result of an upload: its size, and what was saved."""
    if "element" not in state:
        return "received"
    element = state["element"]
    output, original = element["outputs"][0], element["original"]
    text = size(output["size"])
    if original["size"] and element["saved"]:
        text = f"{size(original['size'])} → {text} ({-element['saved']['percent']:+.0f} %)"
    return text


def row(state: Message) -> tuple[str, str, str, str, str]:
    """Return the cells of a table: id, file, stage, percent, and details or the error."""
    more = detail(state)
    if state["status"] == Status.ERROR:
        more = f"{state['error']['code']}: {state['error']['message']}"
    return state["uploadId"], state["filename"], stage(state), f"{state['progress']:.0f}", more


def diagnosis(found: Diagnosis) -> Iterator[str]:
    """Yield the lines that say what is wrong on the way to a server, and how to correct it."""
    for finding in found.findings:
        advice = finding.advice
        yield f"{finding.misconfiguration.value}: {finding.evidence} {advice.effect}"
        yield f"    nginx:   {advice.nginx}"
        yield f"    Caddy:   {advice.caddy}"
        yield f"    HAProxy: {advice.haproxy}"
    yield from found.skipped
    count = len(found.findings)
    yield "Nothing is wrong." if not count else f"{count} {'setting is' if count == 1 else 'settings are'} wrong."
