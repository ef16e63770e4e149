"""Make the URLs in responses absolute. A server that does not know its public address sends paths."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # it brings pydantic along
    from roomcast.uploads.messages import Message, Output

Resolve = Callable[[str], str]


def with_absolute_urls(message: Message, resolve: Resolve) -> Message:
    """Return the message with the URLs of its poster, its playlist, its element and its outputs made absolute."""
    resolved = message.copy()
    if poster := message.get("poster"):
        resolved["poster"] = _resolved(poster, resolve)
    if playable := message.get("playable"):
        resolved["playable"] = {**playable, "url": resolve(playable["url"])}
    if element := message.get("element"):
        url = element["url"]
        outputs = [_resolved(output, resolve) for output in element["outputs"]]
        resolved["element"] = {**element, "url": url and resolve(url), "outputs": outputs}
    return resolved


def status_with_absolute_urls(status: dict[str, Any], resolve: Resolve) -> dict[str, Any]:
    """Return the status of an assembly with the `ssl_url` of every result made absolute."""
    results = {
        step: [{**result, "ssl_url": resolve(result["ssl_url"])} for result in made]
        for step, made in status["results"].items()
    }
    return {**status, "results": results}


def _resolved(output: Output, resolve: Resolve) -> Output:
    resolved: Output = {**output, "url": resolve(output["url"])}
    if link := output.get("downloadUrl"):
        resolved["downloadUrl"] = resolve(link)
    return resolved
