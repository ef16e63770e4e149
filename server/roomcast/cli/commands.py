"""The `roomcast` command: its subcommands and their options."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from roomcast.cli.doctor.findings import MAX_WAIT_SECONDS, WAIT_SECONDS
from roomcast.cli.exit_codes import EPILOG, ExitCode, exit_code_for
from roomcast.cli.help import PlainCommand, PlainGroup
from roomcast.cli.printing import print_error, print_json, print_line
from roomcast.cli.processes import PROCESSES, exec_module
from roomcast.client.errors import ClientError
from roomcast.errors import InvalidMetadata

if TYPE_CHECKING:  # they take long to import, and most commands need few of them
    from roomcast.client.client import Client
    from roomcast.services.backup import BackupSummary
    from roomcast.uploads.messages import Message

_NEWEST = 20
_SERVER_VARIABLE, _TOKEN_VARIABLE = "ROOMCAST_URL", "ROOMCAST_TOKEN"

app = typer.Typer(
    cls=PlainGroup,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="Upload videos and images, watch their progress and get the results.",
    epilog=EPILOG,
)


def _printable(token: str | None) -> str | None:
    if token and not token.isprintable():
        raise typer.BadParameter("It has a control character.", param_hint="--token")
    return token


Server = Annotated[str, typer.Option("--server", envvar=_SERVER_VARIABLE, metavar="URL", help="The server's address.")]
Token = Annotated[
    str | None,
    typer.Option(
        "--token",
        envvar=_TOKEN_VARIABLE,
        metavar="TOKEN",
        callback=_printable,
        help="The bearer token, if the server requires one.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print only JSON, one object per line.")]
_UploadId = Annotated[str, typer.Argument(metavar="ID", help="The id of an upload.")]
_UploadIds = Annotated[list[str], typer.Argument(metavar="IDS", help="The ids of uploads.")]
_LOCAL = "http://127.0.0.1:8000"


def _print_version(wanted: bool) -> None:
    if wanted:
        print_line(f"roomcast {version('roomcast')}")
        raise typer.Exit


@app.callback()
def options(
    _: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    server: Annotated[
        str | None, typer.Option("--server", metavar="URL", help="The server's address, for all commands.")
    ] = None,
    token: Annotated[
        str | None,
        typer.Option("--token", metavar="TOKEN", callback=_printable, help="The bearer token, for all commands."),
    ] = None,
) -> None:
    """Upload videos and images, watch their progress and get the results."""
    # The options of a command are read from here, unless they are given to the command itself.
    for variable, value in ((_SERVER_VARIABLE, server), (_TOKEN_VARIABLE, token)):
        if value is not None:
            os.environ[variable] = value


@app.command(cls=PlainCommand)
def serve() -> None:
    """Run the web process. Settings are environment variables. `python -m roomcast` does the same."""
    exec_module(PROCESSES["serve"])


@app.command(cls=PlainCommand)
def worker() -> None:
    """Run a worker process. Settings are environment variables. `python -m roomcast_workers` does the same."""
    exec_module(PROCESSES["worker"])


@app.command(cls=PlainCommand)
def backup(
    destination: Annotated[Path, typer.Argument(metavar="DIR", help="A new or an empty directory.")],
) -> None:
    """Back up the data directory of a server without Redis and S3.

    The server may be running. `ROOMCAST_DATA` is the data directory. The backup contains the secret that signs links.
    """
    from roomcast.services.backup import back_up  # noqa: PLC0415

    summary = _maintain(lambda data: back_up(data, destination))
    for name in summary.missing:
        print_error(f"{name} is named by the ledger, but it does not exist.")
    print_line(f"Backed up {summary.uploads} uploads and {summary.files} files to {destination}.")


@app.command(cls=PlainCommand)
def restore(source: Annotated[Path, typer.Argument(metavar="DIR", help="A backup.")]) -> None:
    """Restore a backup into the data directory, `ROOMCAST_DATA`, which must be empty. No server may be running."""
    from roomcast.services.backup import restore_backup  # noqa: PLC0415

    data: list[Path] = []

    def run(folder: Path) -> BackupSummary:
        data.append(folder)
        return restore_backup(source, folder)

    summary = _maintain(run)
    print_line(f"Restored {summary.uploads} uploads and {summary.files} files to {data[0]}.")


@app.command("token", cls=PlainCommand)
def print_token(
    user: Annotated[str, typer.Argument(metavar="USER", help="The user id.")],
    admin: Annotated[bool, typer.Option("--admin", help="For an admin.")] = False,
    seconds: Annotated[int, typer.Option(min=1, metavar="SECONDS", help="How long the token is valid.")] = 3600,
) -> None:
    """Print a token that is signed with `JWT_SECRET`, for a trial or a script."""
    from roomcast.auth.tokens import sign_token  # noqa: PLC0415
    from roomcast.errors import RoomcastError  # noqa: PLC0415
    from roomcast.settings.settings import SettingsError, load_settings  # noqa: PLC0415

    try:
        print_line(sign_token(load_settings().auth, user, admin=admin, seconds=seconds))
    except (RoomcastError, SettingsError) as error:
        print_error(str(error))
        raise typer.Exit(ExitCode.FAILED) from None


@app.command(cls=PlainCommand, epilog=EPILOG)
def upload(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILES", help="Videos and images, folders of them, or - for standard input.")
    ],
    template: Annotated[
        str | None, typer.Option("--type", metavar="TEMPLATE", help="The template. Without it, the server's default.")
    ] = None,
    metadata: Annotated[
        str | None, typer.Option(metavar="JSON", help="A JSON object that every message about the files has.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for the results.")] = True,
    download: Annotated[
        Path | None,
        typer.Option(metavar="DIR", file_okay=False, help="Download the results into DIR/FILE/."),
    ] = None,
    name: Annotated[str, typer.Option(metavar="NAME", help="The file name of standard input.")] = "stdin",
    server: Server = _LOCAL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Upload files and wait for their results.

    Interrupted transfers continue by themselves. After a crash, the same command continues where it stopped, and does
    not send completed files again. Ctrl-C cancels the files that have not been received completely; the server
    completes the others. Files in folders that are not media are skipped.
    """
    if not name or name in (".", "..") or "/" in name:
        raise typer.BadParameter("It must be a file name without a path.", param_hint="--name")
    from roomcast.cli.output import open_display  # noqa: PLC0415
    from roomcast.cli.sources import shared_results, upload_sources  # noqa: PLC0415
    from roomcast.cli.upload import UploadCommand  # noqa: PLC0415
    from roomcast.uploads.metadata import parse_metadata  # noqa: PLC0415

    try:
        attached = parse_metadata(metadata) if metadata else None
    except InvalidMetadata as error:
        raise typer.BadParameter(error.message, param_hint="--metadata") from None

    def on_skipped(text: str) -> None:
        if as_json:
            print_json({"skipped": text})
        else:
            print_error(text)

    with upload_sources(files, stdin_name=name, on_skipped=on_skipped) as sources:
        if download and (folder := shared_results(sources)):
            raise typer.BadParameter(f"Two of the files have the name {folder}.", param_hint="--download")

        async def send(client: Client) -> ExitCode:
            with open_display(as_json=as_json, several=len(sources) > 1) as display:
                command = UploadCommand(
                    client, display, template=template, metadata=attached, wait=wait, download=download
                )
                return await command.run(sources) if sources else ExitCode.FAILED

        _run(server, token, as_json, send)


@app.command("watch", cls=PlainCommand, epilog=EPILOG)
def watch_one(upload_id: _UploadId, server: Server = _LOCAL, token: Token = None, as_json: AsJson = False) -> None:
    """Show the progress of an upload until it ends. Ctrl-C does not cancel it."""
    from roomcast.cli.output import open_display  # noqa: PLC0415
    from roomcast.cli.upload import watch  # noqa: PLC0415

    async def follow(client: Client) -> ExitCode:
        with open_display(as_json=as_json) as display:
            return await watch(client, display, upload_id)

    _run(server, token, as_json, follow)


@app.command(cls=PlainCommand, epilog=EPILOG)
def cancel(upload_id: _UploadId, server: Server = _LOCAL, token: Token = None, as_json: AsJson = False) -> None:
    """Cancel an upload and wait until its work has stopped."""

    async def cancel_upload(client: Client) -> ExitCode:
        _show_states([await client.cancel(upload_id)], as_json)
        return ExitCode.COMPLETED

    _run(server, token, as_json, cancel_upload)


@app.command(cls=PlainCommand, epilog=EPILOG)
def retry(upload_id: _UploadId, server: Server = _LOCAL, token: Token = None, as_json: AsJson = False) -> None:
    """Start a failed or cancelled upload again. If its stage is then "sending", send the file again with `upload`."""

    async def retry_upload(client: Client) -> ExitCode:
        _show_states([await client.retry(upload_id)], as_json)
        return ExitCode.COMPLETED

    _run(server, token, as_json, retry_upload)


@app.command(cls=PlainCommand, epilog=EPILOG)
def delete(upload_ids: _UploadIds, server: Server = _LOCAL, token: Token = None, as_json: AsJson = False) -> None:
    """Delete uploads with their results and sources. One that has not ended is cancelled first."""

    async def delete_uploads(client: Client) -> ExitCode:
        for upload_id in upload_ids:
            existed = await client.delete(upload_id)
            if as_json:
                print_json({"uploadId": upload_id, "deleted": True})
            elif existed:
                print_line(f"Deleted {upload_id}.")
            else:
                print_line(f"There is no upload {upload_id!r}, or no longer.")
        return ExitCode.COMPLETED

    _run(server, token, as_json, delete_uploads)


@app.command(cls=PlainCommand, epilog=EPILOG)
def link(
    upload_id: _UploadId,
    scope: Annotated[
        str, typer.Option(metavar="SCOPE", help="What the link allows: `view`, or `control`, which also cancels.")
    ] = "view",
    expires: Annotated[
        str | None, typer.Option(metavar="TIME", help="When it ends: `7d`, or an ISO 8601 time. Never by default.")
    ] = None,
    revoke: Annotated[str | None, typer.Option(metavar="LINK", help="Revoke the link with this id instead.")] = None,
    listed: Annotated[
        bool, typer.Option("--list", help="List the links instead, which do not show their URLs.")
    ] = False,
    server: Server = _LOCAL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Make a lasting link to an upload, and print its URL and its id."""

    async def change_links(client: Client) -> ExitCode:
        if revoke is not None:
            await client.revoke_link(upload_id, revoke)
            _print_link({"id": revoke, "revoked": True}, f"Revoked {revoke}.", as_json)
        elif listed:
            for entry in await client.links(upload_id):
                line = f"{entry['id']}\t{entry['scope']}\t{entry['expires'] or 'never'}"
                _print_link(entry, line, as_json)
        else:
            made = await client.create_link(upload_id, scope=scope, expires=expires)
            _print_link(made, f"{made['url']}\t{made['id']}", as_json)
        return ExitCode.COMPLETED

    _run(server, token, as_json, change_links)


def _print_link(entry: Mapping[str, Any], line: str, as_json: bool) -> None:
    if as_json:
        print_json(entry)
    else:
        print_line(line)


@app.command("open", cls=PlainCommand, epilog=EPILOG)
def open_result(upload_id: _UploadId, server: Server = _LOCAL, token: Token = None, as_json: AsJson = False) -> None:
    """Open the result of an upload in a browser, and print its address."""
    from roomcast.cli.upload import result_url  # noqa: PLC0415

    async def open_in_browser(client: Client) -> ExitCode:
        url = result_url(await client.state(upload_id))
        if as_json:
            print_json({"uploadId": upload_id, "url": url})
        else:
            print_line(url)
        await asyncio.to_thread(typer.launch, url)
        return ExitCode.COMPLETED

    _run(server, token, as_json, open_in_browser)


@app.command(cls=PlainCommand, epilog=EPILOG)
def status(
    upload_ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="IDS", help="The ids. Without them, your newest uploads."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, metavar="NUMBER", help="How many of the newest uploads.")] = _NEWEST,
    every: Annotated[bool, typer.Option("--all", help="All uploads, instead of the newest.")] = False,
    server: Server = _LOCAL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Show the states of uploads."""

    async def get_states(client: Client) -> ExitCode:
        if upload_ids:
            states = [await client.state(upload_id) for upload_id in upload_ids]
        else:
            states = []
            async for state in client.list():
                states.append(state)
                if len(states) == limit and not every:
                    break
        _show_states(states, as_json)
        return ExitCode.COMPLETED

    _run(server, token, as_json, get_states)


@app.command(cls=PlainCommand, epilog=EPILOG)
def doctor(
    url: Annotated[str, typer.Argument(metavar="URL", help="The address that clients call.")],
    token: Token = None,
    origin: Annotated[
        str | None,
        typer.Option(
            metavar="ORIGIN", help="A page's origin that may call. Without it, the first that the server allows."
        ),
    ] = None,
    wait: Annotated[
        int,
        typer.Option(min=1, max=MAX_WAIT_SECONDS, metavar="SECONDS", help="How long requests must be able to last."),
    ] = WAIT_SECONDS,
    as_json: AsJson = False,
) -> None:
    """Find out which settings of a proxy break uploads, sockets, streams or downloads. It creates no uploads."""
    from roomcast.cli.doctor.diagnosis import diagnose  # noqa: PLC0415
    from roomcast.cli.formatting import diagnosis_lines  # noqa: PLC0415

    if origin is not None and not re.fullmatch(r"https?://[^\s/?#@]+", origin):
        raise typer.BadParameter("It must be an origin such as https://shop.example.", param_hint="--origin")
    try:
        diagnosis = asyncio.run(diagnose(url, token=token, origin=origin, wait_seconds=wait))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="URL") from None
    except ClientError as error:
        _print_failure(error, as_json)
        raise typer.Exit(exit_code_for(error.code)) from None
    if as_json:
        print_json(diagnosis.to_json())
    else:
        for line in diagnosis_lines(diagnosis):
            print_line(line)
    raise typer.Exit(ExitCode.FAILED if diagnosis.findings else ExitCode.COMPLETED)


def _maintain(work: Callable[[Path], BackupSummary]) -> BackupSummary:
    """Return the result of `work` on the data directory. An error is printed in one line."""
    from roomcast.errors import RoomcastError  # noqa: PLC0415
    from roomcast.settings.settings import SettingsError, load_settings  # noqa: PLC0415

    try:
        storage = load_settings().storage
        if storage.redis_url or storage.s3_bucket:
            raise SettingsError("The data is in Redis or S3, which have tools of their own. See docs/operations.md.")
        return work(storage.data)
    except (RoomcastError, SettingsError, OSError) as error:
        print_error(str(error))
        raise typer.Exit(ExitCode.FAILED) from None


def _run(server: str, token: str | None, as_json: bool, call: Callable[[Client], Awaitable[ExitCode]]) -> NoReturn:
    """Run `call` with a client, and exit with its exit code. An error is printed in one line."""
    from roomcast.client.client import Client  # noqa: PLC0415

    try:
        client = Client(server, token=token)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--server") from None

    async def run() -> ExitCode:
        async with client:
            return await call(client)

    try:
        exit_code = asyncio.run(run())
    except ClientError as error:
        _print_failure(error, as_json)
        exit_code = exit_code_for(error.code)
    except KeyboardInterrupt:
        exit_code = ExitCode.INTERRUPTED
    raise typer.Exit(exit_code)


def _print_failure(error: ClientError, as_json: bool) -> None:
    from roomcast.cli.formatting import problem  # noqa: PLC0415

    if as_json:
        print_json({"error": error.to_json()})
    else:
        print_error(problem(error))


def _show_states(states: list[Message], as_json: bool) -> None:
    from roomcast.cli.table import cells, status_lines  # noqa: PLC0415

    now = time.time()
    if as_json:
        for state in states:
            print_json(state)
    elif not states:
        print_error("There are no uploads.")
    elif sys.stdout.isatty():
        for line in status_lines(states, shutil.get_terminal_size().columns, now):
            print_line(line)
    else:
        for state in states:
            print_line("\t".join(cells(state, now)))
