"""Format the state of an upload for a terminal: for bars, lines and tables."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from roomcast.cli.doctor.findings import Diagnosis
from roomcast.uploads.lifecycle import Stage, Status

if TYPE_CHECKING:  # it imports pydantic
    from roomcast.uploads.messages import Message


class Speed(NamedTuple):
    """How fast a file is being sent, and the time until it has been."""

    bytes_per_second: float
    seconds_left: float


def size(count: float) -> str:
    """Format a number of bytes: `640 B`, `3.2 MB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5:
            return f"{count:.1f} {unit}" if count < 9.95 and unit != "B" else f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def remaining(seconds: float) -> str:
    """Format a remaining time as the page does, in steps that grow with it: `about 15 s left`."""
    if seconds < 1.5:
        return "about a second left"
    if seconds < 57.5:
        return f"about {round(seconds) if seconds < 10 else round(seconds / 5) * 5} s left"
    minutes = round(seconds / 60)
    return f"about {minutes} min left" if seconds < 3570 else f"about {minutes // 60} h {minutes % 60} min left"


def stage(state: Message) -> str:
    """Return the stage as the sender sees it: `78 % sent`."""
    if state["stage"] != Stage.RECEIVING:
        return state["stage"]
    expected = state["bytesExpected"]
    return f"{100 * state['bytesReceived'] // expected} % sent" if expected else "sending"


def detail(state: Message, *, speed: Speed | None = None) -> str:
    """Format the progress within the stage: bytes, speed, position in the queue and remaining time."""
    facts: list[str] = []
    if state["stage"] == Stage.RECEIVING:
        received, expected = size(state["bytesReceived"]), size(state["bytesExpected"] or 0)
        same_unit = received.split(" ")[1] == expected.split(" ")[1]
        facts.append(f"{received.split(' ')[0] if same_unit else received} of {expected}")
        if speed:
            facts += [f"{size(speed.bytes_per_second)}/s", remaining(speed.seconds_left)]
    if state["queuePosition"]:
        facts.append(f"number {state['queuePosition']} in the queue")
    if state["speed"]:
        facts.append(f"{state['speed']:.1f}×")
    if state["eta"]:
        facts.append(remaining(state["eta"]))
    return ", ".join(facts)


def line(state: Message, *, speed: Speed | None = None) -> str:
    """Format a state in one line."""
    more = detail(state, speed=speed)
    if state["stage"] == Stage.RECEIVING:
        return f"{stage(state)} ({more})"
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


def moment(time: str, now: datetime) -> str:
    """Format a time in ISO 8601 for people: the time of day, with the date unless it is that of `now`."""
    local = datetime.fromisoformat(time).astimezone(now.tzinfo)
    return f"{local:%H:%M}" if local.date() == now.date() else f"{local:%Y-%m-%d %H:%M}"


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
