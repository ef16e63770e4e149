"""`roomcast`: the commands, their options, and how they end."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from roomcast.cli import format as words
from roomcast.cli.exit_codes import EXPLAINED, Ending, ending_of
from roomcast.cli.output import complain, put, put_json, shown
from roomcast.cli.upload import PublishCursor, same_names, watch
from roomcast.client.client import Client
from roomcast.client.errors import RoomcastError

if TYPE_CHECKING:  # it brings pydantic along
    from roomcast.uploads.messages import Message

_NEWEST = 50

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Uploads with a room: send films and pictures, and hear what becomes of them.",
    epilog=EXPLAINED,
)

Server = Annotated[str, typer.Option("--server", envvar="ROOMCAST_URL", metavar="URL", help="The server.")]
Token = Annotated[
    str | None,
    typer.Option("--token", envvar="ROOMCAST_TOKEN", metavar="TOKEN", help="A bearer token, if the server wants one."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON alone, one object a line.")]
UploadId = Annotated[str, typer.Argument(metavar="ID", help="An upload's id.")]
_LOCAL = "http://127.0.0.1:8000"


@app.command()
def serve() -> None:
    """Run the web process, as `python -m roomcast` does. Its settings are environment variables."""
    _become("roomcast")


@app.command()
def worker() -> None:
    """Run a worker process, as `python -m roomcast_workers` does. Its settings are environment variables."""
    _become("roomcast_workers")


@app.command(epilog=EXPLAINED)
def upload(
    files: Annotated[list[Path], typer.Argument(metavar="FILES", help="Films and pictures.")],
    template: Annotated[
        str | None, typer.Option("--type", metavar="TEMPLATE", help="The template; the server's default if none.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for the results.")] = True,
    download: Annotated[
        Path | None,
        typer.Option(metavar="DIR", file_okay=False, help="Fetch the results into DIR/FILE/."),
    ] = None,
    server: Server = _LOCAL,
    token: Token = None,
    to_json: AsJson = False,
) -> None:
    """Send files and wait for their results.

    What breaks off goes on by itself. After a crash, the same command goes on where it was, and does not send again
    what is done already. Ctrl-C cancels the files that have not arrived whole; the server finishes those that have.
    """
    if download and (name := same_names(files)):
        raise typer.BadParameter(f"Two of the files are called {name}.", param_hint="--download")

    async def send(client: Client) -> Ending:
        with shown(to_json=to_json, several=len(files) > 1) as show:
            sending = PublishCursor(client, show, template=template, wait=wait, download=download)
            return await sending.all_of(list(dict.fromkeys(files)))

    _run(server, token, to_json, send)


@app.command("watch", epilog=EXPLAINED)
def watch_one(upload_id: UploadId, server: Server = _LOCAL, token: Token = None, to_json: AsJson = False) -> None:
    """Show an upload until it ends. Ctrl-C leaves it alone."""

    async def show_it(client: Client) -> Ending:
        with shown(to_json=to_json) as show:
            return await watch(client, show, upload_id)

    _run(server, token, to_json, show_it)


@app.command(epilog=EXPLAINED)
def cancel(upload_id: UploadId, server: Server = _LOCAL, token: Token = None, to_json: AsJson = False) -> None:
    """Cancel an upload; returns when its work has stopped."""

    async def cancel_it(client: Client) -> Ending:
        _show_states([await client.cancel(upload_id)], to_json)
        return Ending.COMPLETED

    _run(server, token, to_json, cancel_it)


@app.command(epilog=EXPLAINED)
def status(
    upload_ids: Annotated[
        list[str] | None, typer.Argument(metavar="IDS", help=f"Uploads' ids; without any, your {_NEWEST} newest.")
    ] = None,
    server: Server = _LOCAL,
    token: Token = None,
    to_json: AsJson = False,
) -> None:
    """Tell how uploads stand."""

    async def look(client: Client) -> Ending:
        if upload_ids:
            states = [await client.state(upload_id) for upload_id in upload_ids]
        else:
            states = []
            async for state in client.list():
                states.append(state)
                if len(states) == _NEWEST:
                    break
        _show_states(states, to_json)
        return Ending.COMPLETED

    _run(server, token, to_json, look)


def main() -> None:
    """The entry point."""
    app()


def _become(module: str) -> NoReturn:
    """Go on as `python -m module`. What lies in the present directory must not be taken for it."""
    environment = {**os.environ, "PYTHONSAFEPATH": "1"}
    os.execve(sys.executable, [sys.executable, "-m", module], environment)  # noqa: S606


def _run(server: str, token: str | None, to_json: bool, work: Callable[[Client], Awaitable[Ending]]) -> NoReturn:
    """Do `work` with a client, and end as it does; what goes wrong is told in one line."""

    try:
        client = Client(server, token=token)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--server") from None

    async def connected() -> Ending:
        async with client:
            return await work(client)

    try:
        ending = asyncio.run(connected())
    except RoomcastError as error:
        _complain(error, to_json)
        ending = ending_of(error.code)
    except KeyboardInterrupt:
        ending = Ending.INTERRUPTED
    raise typer.Exit(ending)


def _complain(error: RoomcastError, to_json: bool) -> None:
    if to_json:
        put_json({"error": error.to_json()})
    else:
        complain(str(error))


def _show_states(states: list[Message], to_json: bool) -> None:
    if to_json:
        for state in states:
            put_json(state)
        return
    console = Console(highlight=False)
    if not console.is_terminal:
        for state in states:
            put("\t".join(words.row(state)))
        return
    table = Table("ID", "FILE", "STAGE", "%", "", box=None, pad_edge=False, header_style="bold")
    for column, width in zip(table.columns, (39, 12, 11, 3, 0), strict=True):
        column.min_width, column.overflow = width, "fold"
    for state in states:
        table.add_row(*map(Text, words.row(state)))
    console.print(table)
