"""The links in what a server answers, as whole addresses. Pure.

A server that does not know its public address sends paths on itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # it brings pydantic along
    from roomcast.uploads.messages import Message, Output

Resolve = Callable[[str], str]


def with_addresses(message: Message, resolve: Resolve) -> Message:
    """The message, its poster's, its element's and its outputs' `url` resolved."""
    resolved = message.copy()
    if poster := message.get("poster"):
        resolved["poster"] = _resolved(poster, resolve)
    if element := message.get("element"):
        url = element["url"]
        outputs = [_resolved(output, resolve) for output in element["outputs"]]
        resolved["element"] = {**element, "url": url and resolve(url), "outputs": outputs}
    return resolved


def status_with_addresses(status: dict[str, Any], resolve: Resolve) -> dict[str, Any]:
    """An assembly's status, each result's `ssl_url` resolved."""
    results = {
        step: [{**result, "ssl_url": resolve(result["ssl_url"])} for result in made]
        for step, made in status["results"].items()
    }
    return {**status, "results": results}


def _resolved(output: Output, resolve: Resolve) -> Output:
    return {**output, "url": resolve(output["url"])}
