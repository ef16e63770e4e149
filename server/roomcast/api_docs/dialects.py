"""The dialects."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from roomcast.api_docs.native import INTAKE, LAST_EVENT_ID, OWN, TEMPLATE, FormOfFiles, stream
from roomcast.api_docs.operations import FORM, Answer, Operation, Parameter, json_response
from roomcast.dialects import files
from roomcast.dialects.assembly import AssemblyRefusal, AssemblyStatus
from roomcast.dialects.files import FileProgress, FilesTaken
from roomcast.dialects.tasks import TaskCleaned, TaskProgress
from roomcast.dialects.transflow import Step, SubmissionOverview
from roomcast.errors import Forbidden, Malformed, TooMany
from roomcast.http.assemblies import LARGEST_BATCH, STATUS_PATHS
from roomcast.http.streams.sse import POSITION
from roomcast.http.streams.transflow import OVERVIEW, STEP
from roomcast.uploads.messages import AssemblyId

FILES, TASKS, TRANSFLOW = "Files dialect", "Polling dialect", "Assembly and multi-file dialects"


class FormInFolder(FormOfFiles, total=False):
    """A form with one or more files, and the folder that they are to be in."""

    path: Annotated[str, Field(examples=["holidays/2026"])]
    """What the keys of the results begin with. It must not lead upwards."""


_POSITIONS = rf"{POSITION}(,{POSITION})*"
_ETAG = Parameter("ETag", Annotated[str, Field(examples=['W/"8f2a"'])], "Good for `If-None-Match`.", "header")


def _status(path: str) -> Operation:
    """The same operation, by the name that its clients know it under."""
    return Operation(
        "GET",
        path,
        TRANSFLOW,
        "Look at assemblies",
        (
            json_response(
                AssemblyStatus | list[AssemblyStatus | AssemblyRefusal],
                "The status of the assembly; of several, a list in their order.",
                headers=(_ETAG,),
            ),
            Answer(304, "It is as you have it.", headers=(_ETAG,)),
        ),
        f"`assemblyId` may be repeated, up to {LARGEST_BATCH} times.",
        (
            Parameter("assemblyId", AssemblyId, "The assembly's id.", required=True, repeated=True),
            Parameter("If-None-Match", str, "The tag of the answer that you have.", "header"),
        ),
        refuses=(*OWN, Malformed, TooMany),
    )


DIALECTS = (
    Operation(
        "POST",
        "/api/files/upload",
        FILES,
        "Send files",
        (json_response(FilesTaken, "The files that are safe and queued, and those that were refused."),),
        "Each file has an id or is among the `failed`, also when all of them are.",
        parameters=(TEMPLATE,),
        takes={FORM: FormInFolder},
        refuses=INTAKE,
    ),
    Operation(
        "GET",
        "/api/files/progress/{upload_id}",
        FILES,
        "Listen",
        stream({files.EVENT: FileProgress}),
        "A while after the upload's end it is told of no more.",
        (LAST_EVENT_ID,),
        refuses=(*OWN, Malformed),
    ),
    Operation(
        "GET",
        "/api/progress/{task_id}",
        TASKS,
        "Look",
        (json_response(TaskProgress, "How far it is."),),
        refuses=OWN,
    ),
    Operation(
        "DELETE",
        "/api/progress/{task_id}",
        TASKS,
        "Clean up",
        (json_response(TaskCleaned, "It is told of no more here, or never was."),),
        "The upload itself goes on, or stays.",
        (Parameter("task_id", str, "A task's id; of what is no task there is nothing to clean up.", "path", True),),
        refuses=(Forbidden,),
    ),
    *map(_status, STATUS_PATHS),
    Operation(
        "GET",
        "/api/transflow/stream",
        TRANSFLOW,
        "Listen to all files of a submission",
        stream({OVERVIEW: SubmissionOverview, STEP: Step}),
        "Whoever comes without `Last-Event-ID` is told every step from the beginning.",
        (
            Parameter(
                "uploadId",
                Annotated[str, Field(min_length=1, examples=["upload_5f0c9a4e1b7d43828e6a90b1c2d3e4f5"])],
                "An upload of the submission, or the assembly.",
                required=True,
            ),
            Parameter(
                "Last-Event-ID",
                Annotated[str, Field(pattern=f"^({_POSITIONS})?$", examples=["9f86d081:7,0a1b2c3d:4"])],
                "Go on behind this event: one position for each upload.",
                "header",
            ),
        ),
        refuses=(*OWN, Malformed),
    ),
)
