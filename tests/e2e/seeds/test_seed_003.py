"""A page that polls an assembly's status, and a webhook's handler that checks signatures over the parsed body."""

from __future__ import annotations

import hmac
import json
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Shelf
from tests.e2e.seeds.node_program import Line, of_kind, run_program
from tests.e2e.test_assemblies import expected_id, over, reserve, status
from tests.support.harness import Api, RunningServer, eventually
from tests.support.log_lines import log_lines
from tests.support.tokens import SECRET, token

HOOK_SECRET = "a secret that both of them know"
PUBLIC = "https://films.example"
TEMPLATE = "told"


@dataclass(frozen=True)
class Handler:
    """A webhook's handler in Node: its address, and the file in which it writes down what it gets."""

    url: str
    file: Path

    def about(self, assembly_id: str) -> list[Line]:
        """What it got of an assembly."""
        return [one for one in log_lines(self.file) if json.loads(one["raw"])["assembly_id"] == assembly_id]

    async def received(self, assembly_id: str) -> Line:
        """The one request about an assembly, once it has come."""
        (one,) = await eventually(lambda: self.about(assembly_id), 60, what="a request to the webhook")
        return dict(one)


@pytest.fixture(scope="module")
def handler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Handler]:
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    file = tmp_path_factory.mktemp("handler") / "heard"
    file.touch()
    script = str(Path(__file__).with_name("webhook_handler.mjs"))
    with subprocess.Popen(["node", script, HOOK_SECRET, str(file)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield Handler(process.stdout.readline().strip(), file)
        process.terminate()


@pytest.fixture(scope="module")
def settings(handler: Handler, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    path = tmp_path_factory.mktemp("templates") / "templates.toml"
    path.write_text(f'[templates.{TEMPLATE}]\nwebhook_url = "{handler.url}"\nwebhook_secret = "{HOOK_SECRET}"\n')
    return {
        "ROOMCAST_TEMPLATES": str(path),
        "ROOMCAST_WEBHOOK_PRIVATE": "1",
        "ROOMCAST_PUBLIC_URL": PUBLIC,
        "JWT_SECRET": SECRET,
    }


@pytest.fixture
async def ada(server: RunningServer) -> AsyncIterator[Api]:
    async with Api(server, token("user_456")) as client:
        yield client


async def poll(server: RunningServer, *files: Path, user: str = "user_456") -> list[Line]:
    return await run_program("status_poller.mjs", server.url, token(user), user, TEMPLATE, "50", *map(str, files))


async def test_page_polls_an_assembly_by_its_computed_id_until_the_results(
    server: RunningServer, ada: Api, shelf: Shelf, handler: Handler
) -> None:
    files = shelf.clip("film.mp4", seconds=3, audio=False), shelf.image("one.png")
    lines = await poll(server, *files)
    ((assembly,),) = [of_kind(lines, "assembly")]
    assembly_id = assembly["assemblyId"]
    waiting = of_kind(lines, "waiting")
    assert waiting[0] == {
        "kind": "waiting",
        "status": 404,
        "body": {"error": "There is no such assembly."},
        "consecutiveNotFound": 1,
    }
    assert (waiting[-1]["status"], waiting[-1]["consecutiveNotFound"]) == (200, 0)
    ((sent,),) = [of_kind(lines, "sent")]
    assert (sent["status"], sent["assemblyId"]) == (202, assembly_id)

    statuses = [one["assembly"] for one in of_kind(lines, "status")]
    for one in statuses:
        assert one["user"] == {"userId": "user_456"}
        assert isinstance(one["message"], str)
    shown = of_kind(lines, "shown")[-1]
    assert shown["badge"] == "complete"
    assert shown["progress"].startswith("Completed in ")
    assert "error" not in shown
    assert [line.split(" (")[0] for line in shown["uploads"]] == ["film.mp4", "one.png"]
    for result in shown["results"]:
        assert result["href"].startswith(f"{PUBLIC}/media/"), "absolute, where the public address is known"
        reply = await ada.request("GET", result["href"].removeprefix(PUBLIC))
        assert (reply.status, len(reply.content)) == (200, result["size"])
    ((done,),) = [of_kind(lines, "done")]
    assert done["notified"] == "user_456"

    received = await handler.received(assembly_id)
    assert received["status"] == 200, "the signature holds over the parsed body"
    assert received["notified"] == [{"userId": "user_456", "text": "Processing completed"}]
    film = json.loads(received["raw"])["results"]["video"][0]
    assert film["meta"]["duration"] == 3
    assert '"duration":3,' in received["raw"] or '"duration":3}' in received["raw"], "a whole number has no fraction"


async def test_failed_assembly_has_a_message_and_a_code(
    server: RunningServer, ada: Api, shelf: Shelf, handler: Handler
) -> None:
    broken = shelf.clip("broken.mp4", seconds=1)
    broken.write_bytes(broken.read_bytes()[:3000])
    lines = await poll(server, broken)
    assembly = of_kind(lines, "status")[-1]["assembly"]
    error = (await ada.get(assembly["uploads"][0]["id"])).body["error"]
    assert (assembly["error"], assembly["error_code"]) == (error["message"], error["code"])
    assert assembly["message"] == error["message"]
    shown = of_kind(lines, "shown")[-1]
    assert (shown["badge"], shown["progress"]) == ("error", f"failed: {error['message']}")
    ((failed,),) = [of_kind(lines, "failed")]
    assert failed["notified"] == "user_456"
    received = await handler.received(assembly["assembly_id"])
    assert received["status"] == 200
    assert received["notified"] == [{"userId": "user_456", "text": f"Processing failed: {error['message']}"}]


async def test_webhook_handler_refuses_a_changed_body(ada: Api, shelf: Shelf, handler: Handler) -> None:
    """What the tests above take for proof is one."""
    reply = await ada.upload(shelf.image("two.png", size=(60, 40)), template=TEMPLATE)
    raw: str = (await handler.received(reply.body["assemblyId"]))["raw"]
    signed = {"X-Transflow-Signature": f"sha256={hmac.new(HOOK_SECRET.encode(), raw.encode(), 'sha256').hexdigest()}"}
    for body, code in ((raw, 200), (raw.replace("user_456", "user_789"), 401)):
        assert (await ada.request("POST", handler.url, data=body.encode(), headers=signed)).status == code


@pytest.mark.parametrize("path", ["/api/status", "/api/transflow/status"])
async def test_refused_status_has_the_text_of_the_dialect(
    server: RunningServer, ada: Api, shelf: Shelf, path: str
) -> None:
    reserved = await reserve(ada, shelf.image("three.png", size=(70, 40)), declare=True, template=TEMPLATE)
    assembly_id = reserved.body["assemblyId"]
    async with Api(server) as nobody, Api(server, token("bob")) as bob:
        wanted: list[tuple[Api, dict[str, str], int, str, str]] = [
            (nobody, {"assemblyId": assembly_id}, 401, "Authentication required", "UNAUTHENTICATED"),
            (bob, {"assemblyId": assembly_id}, 403, "Access denied", "FORBIDDEN"),
            (ada, {"assemblyId": "0" * 64}, 404, "There is no such assembly.", "NOT_FOUND"),
            (ada, {"assemblyId": "../../etc"}, 404, "There is no such assembly.", "NOT_FOUND"),
            (ada, {}, 400, "Name an assembly: ?assemblyId=…", "MALFORMED"),
        ]
        for api, query, code, error, stable in wanted:
            reply = await api.request("GET", path, params=query)
            assert (reply.status, reply.body) == (code, {"error": error})
            assert reply.headers["X-Error-Code"] == stable
    await ada.cancel(reserved.body["uploadId"])


async def test_both_routes_return_the_same_status(ada: Api, shelf: Shelf) -> None:
    picture = shelf.image("four.png", size=(80, 40))
    await ada.upload(picture, template=TEMPLATE)
    assembly_id = expected_id(picture, template=TEMPLATE, user="user_456")
    done = await over(ada, assembly_id)
    known = await status(ada, assembly_id)
    short: Any = await ada.request("GET", "/api/status", params={"assemblyId": assembly_id})
    assert short.body == known.body == done
    assert short.headers["ETag"] == known.headers["ETag"]
    both = [("assemblyId", assembly_id), ("assemblyId", "0" * 64)]
    batch = (await ada.request("GET", "/api/status", params=both)).body
    assert batch[0] == done
    assert batch[1] == {
        "assembly_id": "0" * 64,
        "error": "There is no such assembly.",
        "error_code": "NOT_FOUND",
        "message": "There is no such assembly.",
    }
