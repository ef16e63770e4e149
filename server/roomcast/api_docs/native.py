"""The native API: uploads, their way in, assemblies' deliveries, results."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from roomcast.api_docs.operations import (
    EVENT_STREAM,
    FORM,
    JSON,
    Answer,
    Binary,
    Events,
    File,
    Operation,
    Parameter,
    json_response,
)
from roomcast.errors import (
    CancelledByOwner,
    DiskFull,
    Forbidden,
    IdTaken,
    Malformed,
    NotFound,
    Stalled,
    TimedOut,
    TooLarge,
    TooMany,
    UnreadableMedia,
    UnsupportedType,
    WrongState,
)
from roomcast.http.intake.forms import FILE_FIELDS
from roomcast.http.intake.presigned import Completion
from roomcast.http.intake.reservations import Reservation
from roomcast.http.schema import (
    ActionResult,
    Deliveries,
    DeliveryId,
    PresignedProgress,
    UploadPage,
    UploadResponse,
    WebhookDelivery,
)
from roomcast.http.streams.sse import POSITION
from roomcast.http.uploads import LARGEST_PAGE
from roomcast.uploads.lifecycle import Status
from roomcast.uploads.messages import AssemblyId, Message, Shape

UPLOADS = "Uploads"
ASSEMBLIES = "Assemblies"

OWN = (NotFound, Forbidden)
"""What is refused of an upload that is not there, or another's."""

INTAKE = (
    Malformed, Stalled, WrongState, CancelledByOwner, TooLarge, UnsupportedType, UnreadableMedia, TooMany, DiskFull,
)  # fmt: skip
"""What arriving bytes are refused with."""

PAGING = (
    Parameter("status", Status | Literal[""], "Only uploads of this status."),
    Parameter("limit", Annotated[int, Field(ge=1, le=LARGEST_PAGE)], "How many; 50 unless it is said."),
    Parameter("cursor", str, "Where the page before this one ended."),
)
LAST_EVENT_ID = Parameter(
    "Last-Event-ID",
    Annotated[str, Field(pattern=f"^({POSITION})?$", examples=["9f86d081:7"])],
    "Go on behind this event: `epoch:seq`, or the `seq` alone; 0 for all of them. A browser sends it by itself.",
    "header",
)
ASSEMBLY = Parameter("id", AssemblyId, "The assembly's id.", "path", required=True)
TEMPLATE = Parameter("type", str, "The template, if the form does not name it.")


class FormOfFiles(Shape, total=False):
    """A form with one or more files, in any of these fields, each as often as it is needed."""

    media_file: File
    file: File
    files: File
    type: Annotated[str, Field(examples=["auto"])]
    """The template."""


def stream(shapes: dict[str, Any]) -> tuple[Answer, Answer]:
    """The answers of a stream of events."""
    return (
        Answer(200, "The stream, until the upload has ended.", {EVENT_STREAM: Events(shapes)}),
        Answer(204, "You have been told the end already: do not come back."),
    )


OPERATIONS = (
    Operation(
        "POST",
        "/api/uploads",
        UPLOADS,
        "Send files, or reserve",
        (
            json_response(UploadResponse, "These files were sent and processed before: here are their results."),
            json_response(UploadResponse, "Reserved. Join the room, and send the bytes to `contentUrl`.", status=201),
            json_response(UploadResponse, "The files are safe and queued.", status=202),
        ),
        "A form takes the files in at once. A reservation, in JSON, answers ids before any byte is sent, so that the "
        "room can be joined first; with `uploadId` the client chooses them itself, and may track them at once. The "
        f"form's fields for files are {', '.join(sorted(FILE_FIELDS))}.",
        (TEMPLATE,),
        {JSON: Reservation, FORM: FormOfFiles},
        refuses=(*INTAKE, IdTaken),
    ),
    Operation(
        "GET",
        "/api/uploads",
        UPLOADS,
        "List your uploads",
        (json_response(UploadPage, "A page of the list, newest first."),),
        "In open mode off loopback the list is empty: an id would be a key given away.",
        PAGING,
        refuses=(Malformed,),
    ),
    Operation(
        "GET",
        "/api/uploads/{id}",
        UPLOADS,
        "Look",
        (json_response(Message, "The state, as it is now."),),
        refuses=OWN,
    ),
    Operation(
        "DELETE",
        "/api/uploads/{id}",
        UPLOADS,
        "Cancel",
        (json_response(ActionResult, "The work has stopped, and its files are gone."),),
        refuses=(*OWN, WrongState, TimedOut),
    ),
    Operation(
        "POST",
        "/api/uploads/{id}/retry",
        UPLOADS,
        "Retry",
        (json_response(ActionResult, "It starts over. If its `stage` is `receiving`, send the bytes again."),),
        "Of an upload that failed in a way that may pass, or was cancelled.",
        refuses=(*OWN, WrongState),
    ),
    Operation(
        "GET",
        "/api/uploads/{id}/events",
        UPLOADS,
        "Listen",
        stream({"upload-progress": Message}),
        "Server-sent events. Without `Last-Event-ID` it begins with the state. Lines that begin with a colon keep the "
        "connection open.",
        (LAST_EVENT_ID,),
        refuses=(*OWN, Malformed),
    ),
    Operation(
        "PUT",
        "/api/uploads/{id}/content",
        UPLOADS,
        "Send the bytes",
        (json_response(UploadResponse, "The file is safe and queued.", status=202),),
        "The body is the file, of any type; its first bytes say what it is.",
        takes={"application/octet-stream": Binary},
        refuses=(*OWN, *INTAKE),
    ),
    Operation(
        "POST",
        "/api/uploads/{id}/progress",
        UPLOADS,
        "Tell of a direct part",
        (json_response(PresignedProgress, "What the bucket has."),),
        "The bucket is asked how much is there, and the room told.",
        refuses=(*OWN, WrongState),
    ),
    Operation(
        "POST",
        "/api/uploads/{id}/complete",
        UPLOADS,
        "Complete a direct upload",
        (json_response(UploadResponse, "The file is whole, and queued.", status=202),),
        "Its parts are joined, and its size, type and hash verified.",
        takes={JSON: Completion},
        refuses=(*OWN, *INTAKE),
    ),
    Operation(
        "GET",
        "/api/assemblies/{id}/deliveries",
        ASSEMBLIES,
        "What its webhook was told",
        (json_response(Deliveries, "The log."),),
        parameters=(ASSEMBLY,),
        refuses=OWN,
    ),
    Operation(
        "POST",
        "/api/assemblies/{id}/deliveries/{delivery}/replay",
        ASSEMBLIES,
        "Tell its webhook again",
        (json_response(WebhookDelivery, "It is sent again, with a day of tries.", status=202),),
        parameters=(
            ASSEMBLY,
            Parameter("delivery", DeliveryId, "The delivery's id.", "path", required=True),
        ),
        refuses=OWN,
    ),
)
