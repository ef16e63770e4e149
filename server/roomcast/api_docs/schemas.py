"""JSON Schemas of the shapes that the code is held to, each once among a document's components."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue
from pydantic_core import core_schema
from typing_extensions import is_typeddict

COMPONENTS = "#/components/schemas/"


class Schemas:
    """The schemas that one document speaks of. `mode`: whether a shape is what is taken in, or what is sent."""

    def __init__(self) -> None:
        self.components: dict[str, JsonSchemaValue] = {}
        self._known: set[type] = set()

    def of(self, shape: Any, mode: JsonSchemaMode = "serialization") -> JsonSchemaValue:
        """The schema of a type; of a shape with a name, a reference to the component that it has become."""
        if not _is_named(shape):
            return self._read(shape, mode)
        if shape not in self._known:
            self._known.add(shape)
            schema = self._read(shape, mode)
            if "$ref" not in schema:
                self._add(shape.__name__, schema)
        return {"$ref": COMPONENTS + shape.__name__}

    def _read(self, shape: Any, mode: JsonSchemaMode) -> JsonSchemaValue:
        schema = TypeAdapter(shape).json_schema(
            ref_template=COMPONENTS + "{model}", schema_generator=_WithoutTitles, mode=mode
        )
        for name, component in schema.pop("$defs", {}).items():
            self._add(name, component)
        return schema

    def _add(self, name: str, component: JsonSchemaValue) -> None:
        if self.components.setdefault(name, component) != component:
            raise ValueError(f"two shapes are called {name}")


class _WithoutTitles(GenerateJsonSchema):
    """A field's name says as much as a title made of it."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def enum_schema(self, schema: core_schema.EnumSchema) -> JsonSchemaValue:
        """Without the text that Python has for programmers."""
        return {key: value for key, value in super().enum_schema(schema).items() if key != "description"}


def _is_named(shape: Any) -> bool:
    return is_typeddict(shape) or (isinstance(shape, type) and issubclass(shape, BaseModel))
