"""Makes example values of the documents' schemas. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from roomcast.api_docs.schemas import COMPONENTS

Schema = Mapping[str, Any]
_OF_TYPE: Mapping[str, Any] = {"string": "…", "integer": 1, "number": 1.5, "boolean": True, "null": None}


def example(schema: Schema, components: Mapping[str, Schema]) -> Any:
    """Return a value that matches the schema: its example, else the simplest one. Optional fields are included if they
    have an example."""
    if found := schema.get("examples"):
        return found[0]
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    if "$ref" in schema:
        return example(components[schema["$ref"].removeprefix(COMPONENTS)], components)
    if choice := schema.get("anyOf"):
        return example(choice[0], components)
    if every := schema.get("allOf"):
        return _merged(every, components)
    if schema.get("type") == "array":
        return [example(schema["items"], components)]
    if schema.get("type") == "object":
        return _object(schema, components)
    return _OF_TYPE.get(schema.get("type", ""), {})


def _merged(schemas: list[Schema], components: Mapping[str, Schema]) -> Any:
    """Return a value that matches all schemas: an object has the fields of each, and those of the later ones count."""
    first, *others = (example(schema, components) for schema in schemas)
    return {name: value for one in (first, *others) for name, value in one.items()} if others else first


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
