"""The lists of the admin page: filters, orders, and cursors that belong to one filter and order."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Annotated, Literal

import orjson
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from roomcast.errors import Malformed
from roomcast.http.operations import Parameter
from roomcast.http.uploads import is_listed
from roomcast.ledger.contract import MAX_EXAMINED, UploadFilter, UploadLog
from roomcast.uploads.lifecycle import Stage, Status
from roomcast.uploads.model import Upload


class Order(StrEnum):
    """The order of a list. The longest uploads are those with the most time from their creation to their end, or until
    now."""

    NEWEST = "newest"
    OLDEST = "oldest"
    LARGEST = "largest"
    LONGEST = "longest"


def _none_if_empty(value: object) -> object:
    return None if value == "" else value


def _known_stage(value: object) -> object:
    """Raise `ValueError` for a stage that this version does not know, which `Stage` would accept."""
    if value is not None and value not in set(Stage):
        raise ValueError(f"The stage must be one of {', '.join(Stage)}.")
    return value


Optional = BeforeValidator(_none_if_empty)
_Name = Annotated[str | None, Field(max_length=200), Optional]


class FilterRequest(BaseModel):
    """Which uploads are meant; what is absent or empty means any."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    status: Annotated[Status | None, Optional] = None
    stage: Annotated[Stage | None, BeforeValidator(_known_stage), Optional] = None
    """Such as `failed`, which does not contain `cancelled`."""
    template: _Name = None
    owner: _Name = None
    code: _Name = None
    """The code of the error."""
    text: Annotated[str, Field(max_length=200)] = ""
    """In the file's name, in any case."""
    since: Annotated[AwareDatetime | None, Optional] = None
    """Created at this time (ISO 8601) or later."""

    def to_filter(self) -> UploadFilter:
        """Return the filter for the ledger."""
        since = None if self.since is None else self.since.timestamp()
        return UploadFilter(self.owner, self.status, self.stage, since, self.template, self.code, self.text)


FILTER_PARAMETERS = (
    Parameter("status", Status | Literal[""], "Only uploads with this status."),
    Parameter("stage", Annotated[str, Field(json_schema_extra={"enum": [*Stage, ""]})], "Only uploads in this stage."),
    Parameter("template", str, "Only uploads of this template."),
    Parameter("owner", str, "Only uploads of this user."),
    Parameter("code", str, "Only uploads whose error has this code."),
    Parameter("text", str, "Only uploads whose filename contains this, in any case."),
    Parameter("since", str, "Only uploads that were created at this time (ISO 8601) or later."),
)
ORDER_PARAMETER = Parameter(
    "sort",
    Annotated[str, Field(json_schema_extra={"enum": [*Order, ""]})],
    f"The order; `newest` if absent. The largest and the longest are those among the newest {MAX_EXAMINED:,}.",
)


def parse_filter(query: Mapping[str, str]) -> UploadFilter:
    """Return the filter in a query. Raise `Malformed` for a value that is none."""
    given = {parameter.name: query[parameter.name] for parameter in FILTER_PARAMETERS if parameter.name in query}
    try:
        return FilterRequest.model_validate(given).to_filter()
    except ValidationError as error:
        raise Malformed(f"The value of {error.errors()[0]['loc'][0]!r} is not valid.") from error


def parse_order(value: str | None) -> Order:
    """Return the order in a query. Raise `Malformed` for an unknown one."""
    try:
        return Order(value) if value else Order.NEWEST
    except ValueError:
        raise Malformed(f"The order must be one of {', '.join(Order)}.") from None


@dataclass(frozen=True)
class ListedUploads:
    """A page of a list in any order. `complete` is False if only the newest uploads that match were put in order."""

    uploads: list[Upload]
    cursor: str | None
    complete: bool


async def list_uploads(
    ledger: UploadLog, wanted: UploadFilter, order: Order, *, cursor: str | None, limit: int, now: float
) -> ListedUploads:
    """Return a page of the uploads that match. Raise `Malformed` for a cursor of another filter or order."""
    position = parse_list_cursor(cursor, wanted, order) if cursor else None
    if order in (Order.NEWEST, Order.OLDEST):
        page = await ledger.find(wanted, oldest_first=order is Order.OLDEST, cursor=position, limit=limit)
        listed = [upload for upload in page.uploads if is_listed(upload)]
        return ListedUploads(listed, as_list_cursor(page.cursor, wanted, order), complete=True)
    now, *after = _parse_position(position) if position else (now,)
    page = await ledger.find(wanted, limit=MAX_EXAMINED)
    keys = {upload.id: [_measure(upload, order, now), upload.id] for upload in page.uploads if is_listed(upload)}
    listed = sorted((one for one in page.uploads if one.id in keys), key=lambda one: keys[one.id], reverse=True)
    following = [upload for upload in listed if not after or keys[upload.id] < after]
    more = len(following) > limit
    uploads = following[:limit]
    next_position = orjson.dumps([now, *keys[uploads[-1].id]]).decode() if more else None
    return ListedUploads(uploads, as_list_cursor(next_position, wanted, order), complete=page.cursor is None)


def _measure(upload: Upload, order: Order, now: float) -> float:
    """Return the number that the order compares: bytes, or seconds until the upload's end or `now`."""
    if order is Order.LARGEST:
        return float(upload.bytes_expected or upload.bytes_received)
    return (upload.updated_at if upload.state.terminal else now) - upload.created_at


def as_list_cursor(position: str | None, wanted: UploadFilter, order: Order) -> str | None:
    """Return the cursor for a position in the list of a filter and an order."""
    if position is None:
        return None
    return base64.urlsafe_b64encode(f"{_digest(wanted, order)}{position}".encode()).decode()


def parse_list_cursor(cursor: str, wanted: UploadFilter, order: Order) -> str:
    """Return the position that a cursor stands for. Raise `Malformed` for one of another filter or order."""
    try:
        decoded = base64.urlsafe_b64decode(cursor.encode()).decode()
    except ValueError as error:
        raise Malformed("The cursor is invalid.") from error
    digest = _digest(wanted, order)
    if not decoded.startswith(digest):
        raise Malformed("The cursor belongs to another list.")
    return decoded.removeprefix(digest)


def _parse_position(position: str) -> tuple[float, float, str]:
    try:
        now, measure, upload_id = orjson.loads(position)
        return float(now), float(measure), str(upload_id)
    except (ValueError, TypeError) as error:
        raise Malformed("The cursor is invalid.") from error


def _digest(wanted: UploadFilter, order: Order) -> str:
    return hashlib.sha256(orjson.dumps([asdict(wanted), order])).hexdigest()[:12]
