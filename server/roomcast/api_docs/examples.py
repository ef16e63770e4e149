"""Examples out of schemas: of a shape, and of a call as a line for the shell. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import orjson

from roomcast.api_docs.schemas import COMPONENTS
from roomcast.http.operations import EVENT_STREAM

Schema = Mapping[str, Any]
_OF_TYPE: Mapping[str, Any] = {"string": "…", "integer": 1, "number": 1.5, "boolean": True, "null": None}
_FILE = "holiday.mov"


def example(schema: Schema, components: Mapping[str, Schema]) -> Any:
    """A value that the schema describes: what it gives as an example, else the plainest there is. Of what need not be
    there, it has what has an example."""
    if found := schema.get("examples"):
        return found[0]
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    if "$ref" in schema:
        return example(components[schema["$ref"].removeprefix(COMPONENTS)], components)
    if choice := schema.get("anyOf") or schema.get("allOf"):
        return example(choice[0], components)
    if schema.get("type") == "array":
        return [example(schema["items"], components)]
    if schema.get("type") == "object":
        return _object(schema, components)
    return _OF_TYPE.get(schema.get("type", ""), {})


def _object(schema: Schema, components: Mapping[str, Schema]) -> dict[str, Any]:
    fields = schema.get("properties")
    if fields is None:
        return {"…": example(schema.get("additionalProperties") or {}, components)}
    required = schema.get("required", ())
    return {
        name: example(field, components)
        for name, field in fields.items()
        if name in required or "examples" in field or not required
    }


def curls(
    method: str, path: str, operation: Mapping[str, Any], components: Mapping[str, Schema], *, url: str
) -> list[str]:
    """The call by curl, with what it must have and nothing else; once for each type that its body may be of."""
    parameters = operation.get("parameters", [])
    needed = [one for one in parameters if one["required"]]
    query = "&".join(f"{one['name']}={_text(one, components)}" for one in needed if one["in"] == "query")
    for one in needed:
        if one["in"] == "path":
            path = path.replace(f"{{{one['name']}}}", _text(one, components))
    words = ["curl", *_method(method), f"{url}{path}{'?' + query if query else ''}"]
    if operation["security"]:
        words += ["-H", "Authorization: Bearer $TOKEN"]
    for one in needed:
        if one["in"] == "header":
            words += ["-H", f"{one['name']}: {example(one['schema'], components)}"]
    if EVENT_STREAM in operation["responses"].get("200", {}).get("content", {}):
        words.insert(1, "-N")
    bodies = operation.get("requestBody", {}).get("content", {None: None})
    return [
        " ".join(_quoted(word) for word in (*words, *_body(media, told, components))) for media, told in bodies.items()
    ]


def _method(method: str) -> Sequence[str]:
    match method:
        case "GET":
            return ()
        case "HEAD":
            return ("-I",)
    return ("-X", method)


def _body(media: str | None, told: Mapping[str, Any], components: Mapping[str, Schema]) -> Sequence[str]:
    match media:
        case None:
            return ()
        case "application/json":
            given = orjson.dumps(example(told["schema"], components)).decode()
            return ("-H", f"Content-Type: {media}", "-d", given)
        case "multipart/form-data":
            return ("-F", f"files=@{_FILE}")
    return ("-H", f"Content-Type: {media}", "--data-binary", f"@{_FILE}")


def _text(parameter: Mapping[str, Any], components: Mapping[str, Schema]) -> str:
    value = example(parameter["schema"], components)
    return quote(str(value[0] if isinstance(value, list) else value))


def _quoted(word: str) -> str:
    """For the shell, which is to put the token in."""
    return f'"{word}"' if "$TOKEN" in word else shlex.quote(word)
