"""Results, pages, the admin view, and what is for whoever runs the server."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from roomcast.api_docs.native import OWN, PAGING, UPLOADS
from roomcast.api_docs.operations import EVENT_STREAM, HTML, Answer, Binary, Events, Operation, Parameter, json_response
from roomcast.errors import Forbidden, Malformed, NotFound, Stalled, TooLarge, TooMany
from roomcast.http.admin.board import BOARD
from roomcast.http.admin.schema import Board, Overview, Uploads
from roomcast.http.pages import PAGE
from roomcast.http.schema import Alive, Config, Readiness

RUNNING, PAGES, ADMIN, SOCKETS = "Running it", "Pages", "Admin", "Socket.IO"

_PAGE = Answer(200, "The page.", {HTML: str})
_NAME = Annotated[str, Field(pattern=r"^[^/.][^/]*$", examples=["video.mp4"])]
_FOLDER = Annotated[str, Field(min_length=1, examples=["upload_5f0c9a4e1b7d43828e6a90b1c2d3e4f5"])]
_RANGE = (
    Parameter("Range", Annotated[str, Field(examples=["bytes=0-1023"])], "A part of the file.", "header"),
    Parameter("If-None-Match", str, "The tag of the file that you have.", "header"),
)
_FILE_ANSWERS = (
    Answer(200, "The file.", {"*/*": Binary}),
    Answer(206, "The part.", {"*/*": Binary}),
    Answer(304, "It is as you have it."),
    Answer(416, "There is no such part."),
)

RESULTS = (
    Operation(
        "GET",
        "/media/{grant}/{folder}/{name}",
        UPLOADS,
        "Fetch a result",
        (*_FILE_ANSWERS, Answer(302, "The bucket has it.", headers=(Parameter("Location", str, "Where.", "header"),))),
        "By a signed link of an `element`, which is good for all files of its upload and needs no token.",
        (
            Parameter("grant", Annotated[str, Field(examples=["1767225600.c2ln"])], "The right to it.", "path", True),
            Parameter("folder", _FOLDER, "The folder of its upload; it may hold slashes.", "path", True),
            Parameter("name", _NAME, "The file's name.", "path", True),
            *_RANGE,
        ),
        refuses=OWN,
    ),
)

RUN = (
    Operation(
        "GET", "/api/config", RUNNING, "Limits and templates", (json_response(Config, "What a page must know."),)
    ),
    Operation("GET", "/healthz", RUNNING, "Alive?", (json_response(Alive, "The process answers."),)),
    Operation(
        "GET",
        "/readyz",
        RUNNING,
        "Able to work?",
        (
            json_response(Readiness, "It can do its work."),
            json_response(Readiness, "It cannot, and this is why.", status=503),
        ),
    ),
    Operation(
        "GET",
        "/metrics",
        RUNNING,
        "Numbers for Prometheus",
        (
            Answer(
                200,
                "As text, or as OpenMetrics if `Accept` asks for it.",
                {"text/plain": str, "application/openmetrics-text": str},
            ),
        ),
        "For admins; in open mode for everybody.",
        refuses=(Forbidden,),
    ),
)

VIEWS = (
    Operation(
        "GET",
        "/",
        PAGES,
        "The way in",
        (Answer(302, "To the demo.", headers=(Parameter("Location", str, "Where.", "header"),)),),
    ),
    *(Operation("GET", path, PAGES, "The demo", (_PAGE,)) for path in (PAGE, f"/admin{PAGE}")),
    Operation("GET", "/docs", PAGES, "This page", (_PAGE,), "Both documents, to be read."),
    Operation("GET", "/openapi.json", PAGES, "OpenAPI 3.1", (json_response(dict[str, Any], "Every route."),)),
    Operation(
        "GET", "/asyncapi.json", PAGES, "AsyncAPI 3.0", (json_response(dict[str, Any], "Every Socket.IO event."),)
    ),
    Operation(
        "GET",
        "/static/{filename}",
        PAGES,
        "Scripts and styles",
        _FILE_ANSWERS,
        parameters=(
            Parameter("filename", Annotated[str, Field(examples=["roomcast.js"])], "The file.", "path", True),
            *_RANGE,
        ),
        refuses=(NotFound,),
    ),
)

ADMINS = (
    Operation(
        "GET",
        "/admin",
        ADMIN,
        "The admin view",
        (_PAGE, Answer(401, "The page asks for a token.", {HTML: str}), Answer(403, "Not for you.", {HTML: str})),
    ),
    Operation(
        "GET",
        "/api/admin/overview",
        ADMIN,
        "How everything stands",
        (json_response(Overview, "Now."),),
        refuses=(Forbidden,),
    ),
    Operation(
        "GET",
        "/api/admin/uploads",
        ADMIN,
        "Everybody's uploads",
        (json_response(Uploads, "A page of the list, newest first."),),
        parameters=PAGING,
        refuses=(Forbidden, Malformed),
    ),
    Operation(
        "GET",
        "/api/admin/events",
        ADMIN,
        "Listen",
        (Answer(200, "The board, whenever it changes.", {EVENT_STREAM: Events({BOARD: Board})}),),
        refuses=(Forbidden,),
    ),
)

_TRANSPORT = (
    Parameter("EIO", Annotated[str, Field(pattern="^4$", examples=["4"])], "The version of Engine.IO.", required=True),
    Parameter("transport", Annotated[str, Field(examples=["websocket"])], "`polling` or `websocket`."),
    Parameter("sid", str, "The session, once there is one."),
)
_PACKETS = Answer(200, "Packets.", {"text/plain": str})

SOCKET = (
    Operation(
        "GET",
        "/socket.io/",
        SOCKETS,
        "Connect, or poll",
        (Answer(101, "A WebSocket."), _PACKETS),
        "What is said there is described by `/asyncapi.json`; any Socket.IO client speaks it.",
        _TRANSPORT,
        refuses=(Malformed, Forbidden, TooMany),
    ),
    Operation(
        "POST",
        "/socket.io/",
        SOCKETS,
        "Send packets",
        (_PACKETS,),
        parameters=_TRANSPORT,
        takes={"text/plain": str},
        refuses=(Malformed, Forbidden, Stalled, TooLarge, TooMany),
    ),
    Operation("OPTIONS", "/socket.io/", SOCKETS, "For browsers", (Answer(200, "Allowed."),), refuses=(Forbidden,)),
)
