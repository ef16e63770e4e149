"""JSON Schemas of the types that the code is checked against, each once among a document's components."""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue
from pydantic_core import core_schema
from typing_extensions import is_typeddict

COMPONENTS = "#/components/schemas/"


class Schemas:
    """Collects the components of one document."""

    def __init__(self) -> None:
        self.components: dict[str, JsonSchemaValue] = {}
        self._named: set[type] = set()

    def of(self, shape: Any, mode: JsonSchemaMode = "serialization") -> JsonSchemaValue:
        """Return the schema of a type; for a named type, a reference to its component. `mode` says whether the type is
        received or sent."""
        if not _is_named(shape):
            return self._schema(shape, mode)
        if shape not in self._named:
            self._named.add(shape)
            schema = self._schema(shape, mode)
            if "$ref" not in schema:
                self._add(shape.__name__, schema)
        return {"$ref": COMPONENTS + shape.__name__}

    def _schema(self, shape: Any, mode: JsonSchemaMode) -> JsonSchemaValue:
        # A copy: both documents describe the same types.
        schema = deepcopy(_generated(shape, mode))
        for name, component in schema.pop("$defs", {}).items():
            self._add(name, component)
        return schema

    def _add(self, name: str, component: JsonSchemaValue) -> None:
        if self.components.setdefault(name, component) != component:
            raise ValueError(f"Two different types are called {name}.")


@cache
def _generated(shape: Any, mode: JsonSchemaMode) -> JsonSchemaValue:
    """Return the schema of a type. Pydantic parses the source code of each for the descriptions of its fields."""
    return TypeAdapter(shape).json_schema(
        ref_template=COMPONENTS + "{model}", schema_generator=_SchemaGenerator, mode=mode
    )


class _SchemaGenerator(GenerateJsonSchema):
    """Leaves out titles, which repeat the fields' names, and the docstrings of enums, which are for programmers."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def enum_schema(self, schema: core_schema.EnumSchema) -> JsonSchemaValue:
        return {key: value for key, value in super().enum_schema(schema).items() if key != "description"}


def _is_named(shape: Any) -> bool:
    return is_typeddict(shape) or (isinstance(shape, type) and issubclass(shape, BaseModel))
