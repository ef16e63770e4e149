"""Stored records as JSON. Records of a newer version of Roomcast survive being read and written by this one.

Within a schema version, a newer version may add fields and stages, but neither removes nor renames any. So processes of
two versions can share a ledger during a deployment, and an earlier version can be started again after a later one.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, cast

import orjson

from roomcast.errors import UnreadableRecord

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, TypeAdapter
    from pydantic_core import CoreSchema

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class ExtensibleRecord:
    """The base of everything that is stored. `unknown_fields` are those that a newer version added, as they were read:
    they are stored again with the record, and are absent from a record that replaces it."""

    unknown_fields: Mapping[str, Any] = field(default_factory=dict, hash=False, repr=False)

    earlier_names: ClassVar[Mapping[str, str]] = {}
    """The present names of fields by the names that an earlier version stored them under."""

    later_fields: ClassVar[frozenset[str]] = frozenset()
    """Fields that the first version with this schema does not know. They are left out while they are empty, so that it
    can read a record that does not use them."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        from pydantic_core.core_schema import no_info_before_validator_function  # noqa: PLC0415  (see `JsonCodec`)

        return no_info_before_validator_function(cls._collect_unknown, handler(source))

    @classmethod
    def _collect_unknown(cls, data: Any) -> Any:
        if not isinstance(data, dict) or data.keys() <= cls.__dataclass_fields__.keys():
            return data
        data = {cls.earlier_names.get(name, name): value for name, value in data.items()}
        known = {name: value for name, value in data.items() if name in cls.__dataclass_fields__}
        return {**known, "unknown_fields": {name: data[name] for name in data.keys() - known.keys()}}


@functools.cache
def _type_adapter(record_type: type[Any]) -> TypeAdapter[Any]:
    """Return pydantic's adapter for the type. Making one takes several milliseconds."""
    from pydantic import TypeAdapter  # noqa: PLC0415  (see `JsonCodec`)

    return TypeAdapter(record_type)


class JsonCodec(Generic[T]):
    """Reads and writes records of one type, a subclass of `ExtensibleRecord`, and checks the types of their fields."""

    def __init__(self, record_type: type[T]) -> None:
        # Imported here because clients, which use the names of stages and statuses, need no pydantic.
        from pydantic import ValidationError  # noqa: PLC0415

        self._adapter: TypeAdapter[T] = _type_adapter(cast(Any, record_type))
        self._invalid = ValidationError

    def decode(self, body: bytes) -> T:
        """Parse a stored record; raise `UnreadableRecord` if it is damaged."""
        try:
            return self._adapter.validate_json(body)
        except self._invalid as error:
            raise UnreadableRecord("The stored record cannot be read.") from error


def encode_record(record: ExtensibleRecord) -> bytes:
    """Serialise a record, with its unknown fields beside the others."""
    return orjson.dumps(record, default=_fields, option=orjson.OPT_PASSTHROUGH_DATACLASS)


def _fields(record: Any) -> dict[str, Any]:
    if not isinstance(record, ExtensibleRecord):
        raise TypeError(f"A {type(record).__name__} cannot be stored.")
    known, later = record.__dataclass_fields__, record.later_fields
    # What a `cached_property` has stored beside the fields is left out.
    fields = {name: value for name, value in vars(record).items() if name in known and (value or name not in later)}
    fields |= fields.pop("unknown_fields")
    return fields
