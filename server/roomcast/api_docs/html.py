"""The small pieces of HTML that the page is made of. Pure; everything is escaped here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

import orjson

from roomcast.api_docs.schemas import COMPONENTS

_CODE = re.compile(r"`([^`]+)`")
_EMPHASIS = re.compile(r"\*([^*]+)\*")


def prose(text: str) -> str:
    """Plain words, with `code` and *emphasis*."""
    return _EMPHASIS.sub(r"<em>\1</em>", _CODE.sub(r"<code>\1</code>", escape(text, quote=False)))


def element(name: str, inner: str, **attributes: str) -> str:
    """`inner` is HTML already. An attribute whose name Python keeps for itself ends in an underscore; others stand for
    hyphens."""
    said = "".join(f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"' for key, value in attributes.items())
    return f"<{name}{said}>{inner}</{name}>"


def anchor(*words: str) -> str:
    """An id for what is called so."""
    return re.sub(r"[^a-z0-9]+", "-", re.sub(r"[{}]", "", " ".join(words).lower())).lstrip("-")


def code(text: str) -> str:
    return element("code", escape(text, quote=False))


def block(text: str, label: str) -> str:
    """Code that can be scrolled, by keyboard too, and is selected by a click."""
    return element("pre", code(text), tabindex="0", aria_label=label)


def pretty(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()


def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Cells are HTML."""
    head = element("tr", "".join(element("th", name, scope="col") for name in heads))
    body = "".join(element("tr", "".join(element("td", cell) for cell in row)) for row in rows)
    return element("table", element("thead", head) + element("tbody", body))


def kind(schema: Mapping[str, Any]) -> str:
    """What a schema asks for, in a few words; shapes are linked."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(COMPONENTS)
        return element("a", escape(name), href=f"#{anchor('shape', name)}")
    if "const" in schema:
        return code(_literal(schema["const"]))
    if "enum" in schema:
        return " | ".join(code(_literal(value)) for value in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(kind(one) for one in schema["anyOf"])
    if "allOf" in schema:
        return kind(schema["allOf"][0])
    return _plain(schema)


def _plain(schema: Mapping[str, Any]) -> str:
    match schema.get("type"):
        case "array":
            return f"list of {kind(schema.get('items', {}))}"
        case "object" if isinstance(values := schema.get("additionalProperties"), Mapping):
            return f"{kind(values)} by name"
        case "string" if said := schema.get("format"):
            return escape({"binary": "bytes", "date-time": "time", "uri-reference": "URL"}.get(said, said))
        case None:
            return "file" if "contentMediaType" in schema else "anything"
        case str(name):
            return escape(name) + _bounds(schema)
    return "anything"


def _bounds(schema: Mapping[str, Any]) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is None:
        return ""
    return f" {low}–{high}" if high is not None else f" ≥ {low}"


def _literal(value: Any) -> str:
    return orjson.dumps(value).decode()
