"""Format the state of an upload for a terminal: for bars, lines and tables."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from roomcast.errors import Code
from roomcast.uploads.lifecycle import Stage

if TYPE_CHECKING:  # they take long to import
    from roomcast.cli.doctor.findings import Diagnosis
    from roomcast.client.errors import ClientError
    from roomcast.uploads.messages import Message


class Speed(NamedTuple):
    """How fast a file is being sent, and the time until it has been."""

    bytes_per_second: float
    seconds_left: float


_STAGES = {
    Stage.QUEUED: "waiting for a worker",
    Stage.FETCHING: "fetching the file",
    Stage.PROBING: "analyzing the file",
    Stage.THUMBNAILS: "creating previews",
    Stage.STORING: "storing the result",
    Stage.CLEANING: "removing temporary files",
    Stage.DONE: "completed",
}
"""The titles of stages that are not their names, as the page has them."""


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
    if "paused" in state:
        return "paused by an administrator"
    if state["stage"] != Stage.RECEIVING:
        return _STAGES.get(state["stage"], state["stage"])
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
        facts.append(queue_position(state["queuePosition"]))
    if state["speed"]:
        facts.append(f"{state['speed']:.1f}×")
    if state["eta"]:
        facts.append(remaining(state["eta"]))
    return ", ".join(facts)


def queue_position(number: int) -> str:
    """Format a place in the queue: `next in the queue`, `22nd in the queue`."""
    if number <= 1:
        return "next in the queue"
    ending = "th" if number // 10 % 10 == 1 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending} in the queue"


def problem(error: ClientError) -> str:
    """Format an error in one line: its code, its sentence, and what to do. A cancellation is its sentence alone, which
    has the same word."""
    if error.code == Code.CANCELLED:
        return error.message
    if error.code == Code.UNAUTHENTICATED and error.anonymous:
        return f"{error.code}: A token is needed. Pass --token or set ROOMCAST_TOKEN."
    templates = (error.details or {}).get("templates")
    names = f" There are: {', '.join(map(str, templates))}." if isinstance(templates, list) else ""
    return f"{error.code}: {error.message}{names}{_field_reasons(error)}"


def _field_reasons(error: ClientError) -> str:
    """Return what is wrong with each field of a request, if the server has said so."""
    fields = (error.details or {}).get("fields")
    found = [one for one in fields if isinstance(one, dict)] if isinstance(fields, list) else []
    reasons = (f"{one.get('at', '')}: {one.get('why', '')}".removeprefix(": ").removesuffix(".") for one in found)
    return "".join(f" {reason}." for reason in reasons)


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


def diagnosis_lines(found: Diagnosis) -> Iterator[str]:
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
