"""`/docs`: both documents as one page. Pure. It needs no script, and nothing from anywhere else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from roomcast.api_docs.examples import curls, example
from roomcast.api_docs.html import anchor, block, code, element, kind, pretty, prose, table
from roomcast.dialects.errors import ErrorResponse
from roomcast.errors import RETRYABLE
from roomcast.http.errors import STATUS
from roomcast.http.operations import JSON

Document = Mapping[str, Any]
_METHODS = ("get", "post", "put", "patch", "delete", "head", "options")


def page(openapi: Document, asyncapi: Document, *, url: str) -> str:
    """The whole page; `url` is what the examples call."""
    groups = _by_group(openapi)
    shapes = {**openapi["components"]["schemas"], **asyncapi["components"]["schemas"]}
    sections = [
        *(_section(name, "".join(_operation(*one, shapes, url) for one in group)) for name, group in groups.items()),
        _section("Socket.IO calls", _calls(asyncapi, shapes)),
        _section("Socket.IO events", _events(asyncapi)),
        _section("Errors", _errors()),
        _section("Shapes", "".join(_shape(name, shapes) for name in sorted(shapes))),
    ]
    contents = _contents(groups, asyncapi, shapes)
    return _PAGE.format(about=prose(openapi["info"]["description"]), contents=contents, sections="".join(sections))


Described = tuple[str, str, Document]
"""A method, a path, and what is said of them."""


def _by_group(openapi: Document) -> dict[str, list[Described]]:
    """The operations by their group, in the document's order. A HEAD that goes with a GET is left out."""
    groups: dict[str, list[Described]] = {}
    for path, methods in openapi["paths"].items():
        for method in _METHODS:
            if method in methods and not (method == "head" and "get" in methods):
                groups.setdefault(methods[method]["tags"][0], []).append((method.upper(), path, methods[method]))
    return {tag["name"]: groups[tag["name"]] for tag in openapi["tags"]}


def _contents(groups: Mapping[str, list[Described]], asyncapi: Document, shapes: Mapping[str, Any]) -> str:
    parts = [
        _part(name, ((f"{method} {path}", anchor(method, path)) for method, path, _ in group))
        for name, group in groups.items()
    ]
    for title, action in (("Socket.IO calls", "receive"), ("Socket.IO events", "send")):
        named = (name for name, one in asyncapi["operations"].items() if one["action"] == action)
        parts.append(_part(title, ((name, anchor("socket", name)) for name in named)))
    parts.append(_part("Errors", ()))
    parts.append(_part("Shapes", ((name, anchor("shape", name)) for name in sorted(shapes))))
    return "".join(parts)


def _part(name: str, entries: Iterable[tuple[str, str]]) -> str:
    """A part of the contents, which opens; one without entries leads there itself."""
    items = "".join(element("li", element("a", code(text), href=f"#{at}")) for text, at in entries)
    if not items:
        return element("p", element("a", prose(name), href=f"#{anchor(name)}"))
    return element("details", element("summary", prose(name)) + element("ul", items))


def _section(name: str, inner: str) -> str:
    return element("section", element("h2", prose(name)) + inner, id=anchor(name))


def _operation(method: str, path: str, operation: Document, shapes: Mapping[str, Any], url: str) -> str:
    parts = [
        _heading(anchor(method, path), element("span", method, class_=f"method {method.lower()}") + code(path)),
        element("p", element("strong", prose(operation["summary"])) + ". " + prose(operation.get("description", ""))),
        *(block(line, "As a command") for line in curls(method, path, operation, shapes, url=url)),
    ]
    if parameters := operation.get("parameters"):
        parts.append(element("h4", "Parameters") + _parameters(parameters))
    if body := operation.get("requestBody"):
        parts.append(element("h4", "Body") + _bodies(body["content"], shapes))
    parts.append(element("h4", "Answers") + _answers(operation["responses"]))
    return element("article", "".join(parts))


def _heading(at: str, inner: str) -> str:
    return element("h3", element("a", inner, href=f"#{at}"), id=at)


def _parameters(parameters: Iterable[Document]) -> str:
    rows = (
        (
            code(one["name"]) + (element("b", " needed") if one["required"] else ""),
            prose(one["in"]),
            kind(one["schema"]),
            prose(one["description"]),
        )
        for one in parameters
    )
    return table(("Name", "In", "Is", "What it says"), rows)


def _bodies(content: Document, shapes: Mapping[str, Any]) -> str:
    return "".join(
        element("p", f"{code(media)}: {kind(told['schema'])}")
        + (block(pretty(example(told["schema"], shapes)), "An example of the body") if media == JSON else "")
        for media, told in content.items()
    )


def _answers(responses: Document) -> str:
    refusals = {status: told for status, told in responses.items() if _is_refusal(told)}
    rows = (
        (_status(status), prose(told["description"]), _told(told))
        for status, told in responses.items()
        if status not in refusals
    )
    refused = ", ".join(f"{_status(status)} {prose(told['description'])}" for status, told in refusals.items())
    shape = element("a", "refusal", href=f"#{anchor('shape', ErrorResponse.__name__)}")
    return table(("Status", "When", "What"), rows) + (
        element("p", f"Or a {shape}: {refused}", class_="refusals") if refused else ""
    )


def _is_refusal(answer: Document) -> bool:
    return "allOf" in answer.get("content", {}).get(JSON, {}).get("schema", {})


def _status(status: str) -> str:
    return element("span", status, class_=f"status s{status[0]}")


def _told(answer: Document) -> str:
    """The body, and the headers that say something."""
    said = []
    for media, told in answer.get("content", {}).items():
        events = (f"{code(name)} {kind(shape)}" for name, shape in told.get("x-events", {}).items())
        said.append("events " + ", ".join(events) if "x-events" in told else kind(told["schema"]))
        if media not in (JSON, "text/event-stream"):
            said[-1] += f" ({code(media)})"
    said += [code(name) for name in answer.get("headers", {})]
    return ", ".join(said) or "nothing"


def _calls(asyncapi: Document, shapes: Mapping[str, Any]) -> str:
    messages = asyncapi["channels"]["socket"]["messages"]
    articles = []
    for name, operation in asyncapi["operations"].items():
        if operation["action"] == "receive":
            argument = messages[name]["payload"]
            parts = [_heading(anchor("socket", name), code(name)), element("p", prose(operation["summary"]))]
            if "reply" in operation:
                given = pretty(example(argument, shapes))
                parts.append(block(f'socket.emit("{name}", {given}, (ack) => …);', "As JavaScript"))
            parts.append(element("p", f"Argument: {kind(argument)}. {prose(messages[name]['summary'])}"))
            if "reply" in operation:
                replies = (kind(messages[f"{name}.{word}"]["payload"]) for word in ("ack", "refused"))
                parts.append(element("p", f"Acknowledged with {' or '.join(replies)}."))
            articles.append(element("article", "".join(parts)))
    return "".join(articles)


def _events(asyncapi: Document) -> str:
    messages = asyncapi["channels"]["socket"]["messages"]
    return "".join(
        element(
            "article",
            _heading(anchor("socket", name), code(name))
            + element("p", f"{prose(operation['summary'])} {kind(messages[name]['payload'])}."),
        )
        for name, operation in asyncapi["operations"].items()
        if operation["action"] == "send"
    )


def _errors() -> str:
    rows = (
        (code(error), _status(str(status)), "yes" if error in RETRYABLE else "no") for error, status in STATUS.items()
    )
    return table(("Code", "Status", "Can trying again help?"), rows)


def _shape(name: str, shapes: Mapping[str, Any]) -> str:
    schema = shapes[name]
    parts = [_heading(anchor("shape", name), code(name)), element("p", prose(schema.get("description", "")))]
    if fields := schema.get("properties"):
        required = schema.get("required", ())
        rows = (
            (
                code(field) + ("" if field in required else element("i", " optional")),
                kind(told),
                prose(told.get("description", "")),
            )
            for field, told in fields.items()
        )
        parts.append(table(("Field", "Is", "What it says"), rows))
        parts.append(
            element(
                "details",
                element("summary", "An example") + block(pretty(example(schema, shapes)), f"An example of {name}"),
            )
        )
    elif "enum" in schema:
        parts.append(element("p", kind(schema)))
    return element("article", "".join(parts))


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Roomcast: the API</title>
<link rel="icon" href="/static/favicon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/static/base.css">
<link rel="stylesheet" href="/static/page.css">
<link rel="stylesheet" href="/static/docs.css">
</head>
<body>
<a class="skip" href="#content">To the content</a>
<header>
<h1>Roomcast <span>the API</span></h1>
<p>{about}</p>
<p>For programs: <a href="/openapi.json">openapi.json</a>, <a href="/asyncapi.json">asyncapi.json</a>.</p>
</header>
<nav aria-label="Contents"><details open><summary>Contents</summary>{contents}</details></nav>
<main id="content">{sections}</main>
</body>
</html>
"""
