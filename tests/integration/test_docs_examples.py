"""The examples of README and `docs/` that need a server, run as they stand but for the port and the ids."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jwt
import pytest
from aiohttp.test_utils import TestClient, TestServer

from tests.conftest import Shelf
from tests.support.app import AppServer
from tests.support.harness import ROOT
from tests.support.node_host import NodeProgram
from tests.support.pages import DOCS, examples, start_examples, table
from tests.unit.test_docs import verify_signature

EXPECTED = {
    "admin": ('"queue":{"depth":',),
    "assembly": ('"ok":"ASSEMBLY_COMPLETED"',),
    "command": ("results/holiday.mov", "completed\t100"),
    "curl": ('"uploadId":"upload_', '"uploads":[{"uploadId":'),
    "files": ("event: progress", '"progress_percentage":100.0'),
    "metrics": ("roomcast_queue_depth", "roomcast_listeners"),
    "stream": ("event: upload-progress", '"status":"completed"'),
    "task": ('"status":"completed"', '"status":"cleaned"'),
    "transflow": ('"type":"done"', '"completedFiles":1'),
    "tutorial-follow": ("event: upload-progress", '"status":"completed"'),
    "tutorial-send": ('"uploadId":"upload_',),
    "tutorial-token": ('"uploads":[]',),
}
"""What the shell's examples print, by name."""

MODULES = ROOT / "static" / "node_modules"
IN_NODE = {name: block for name, block in examples("js").items() if "upload(file, show)" in block.code}
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
TUTORIAL_SECRET = "a-secret-of-at-least-32-characters"


def test_every_example_has_its_test() -> None:
    assert examples("sh").keys() == EXPECTED.keys()
    assert examples("python").keys() == {"listener", "mount", "python", "shop", "step", "verify-python"}
    assert examples("js").keys() == {*IN_NODE, "client", "verify-js", "vue-app"}


@pytest.mark.parametrize("name", EXPECTED)
async def test_an_example_in_a_shell_prints_the_result(
    server: AppServer, shelf: Shelf, tmp_path: Path, name: str
) -> None:
    (tmp_path / ".venv").symlink_to(Path(sys.executable).parent.parent)
    printed = await run(["bash", "-euo", "pipefail", "-c", examples("sh")[name].at(server.url)], shelf, tmp_path)
    for expected in EXPECTED[name]:
        assert expected in printed


async def test_the_example_in_python_uploads_and_downloads(server: AppServer, shelf: Shelf, tmp_path: Path) -> None:
    printed = await run([sys.executable, "-c", examples("python")["python"].at(server.url)], shelf, tmp_path)
    *progress, status = printed.splitlines()
    assert (progress[-1], status) == ("100.0", "completed")
    assert [path.suffix for path in (tmp_path / "results").iterdir()] == [".mp4"]


async def test_the_example_of_the_reference_in_python_uploads(server: AppServer, shelf: Shelf, tmp_path: Path) -> None:
    shelf.image().rename(tmp_path / "film.mp4")
    (example,) = start_examples("python")
    *progress, url = (await run([sys.executable, "-c", example.at(server.url)], None, tmp_path)).splitlines()
    assert progress[-1] == "done 100.0 Done"
    assert url.startswith(f"{server.url}/media/")


async def test_the_examples_of_the_reference_for_curl_upload(server: AppServer, shelf: Shelf, tmp_path: Path) -> None:
    shelf.image().rename(tmp_path / "film.mp4")
    reserve, watch, send = (example.at(server.url) for example in start_examples("curl"))
    reserved = json.loads(await run(["bash", "-euc", reserve], None, tmp_path))
    both = f"{watch} & {send}; wait".replace("UPLOAD_ID", reserved["uploadId"])
    assert '"status":"completed"' in await run(["bash", "-euc", both], None, tmp_path)


async def test_the_application_of_the_guide_serves_uploads_below_the_prefix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(compile(examples("python")["mount"].code, "mount", "exec"), names)  # noqa: S102
    async with TestClient(TestServer(names["app"])) as client:
        assert (await client.get("/uploads/api/config")).status == 200
        assert (await client.get("/api/config")).status == 404


async def test_the_token_of_the_tutorial_names_its_user(tmp_path: Path) -> None:
    script = examples("sh")["tutorial-token"].code.split("<<'END'\n")[1].split("END\n")[0]
    printed = await run([sys.executable, "-c", script], None, tmp_path)
    assert jwt.decode(printed.strip(), TUTORIAL_SECRET, algorithms=["HS256"])["sub"] == "ada"


async def run(command: list[str], shelf: Shelf | None, folder: Path) -> str:
    """The output of a command in a folder that holds a video."""
    if shelf:
        shelf.clip(seconds=1).rename(folder / "holiday.mov")
    done = await asyncio.to_thread(
        subprocess.run,
        command,
        cwd=folder,
        env={**os.environ, "PATH": PATH},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return str(done.stdout)


@pytest.mark.node
@pytest.mark.parametrize("name", IN_NODE)
async def test_an_example_in_node_follows_its_upload_to_the_end(
    name: str, node: None, server: AppServer, tmp_path: Path, shelf: Shelf
) -> None:
    if not (MODULES / "eventsource").is_dir():
        pytest.skip("static/node_modules is missing: `make setup` brings it where npm is installed")
    (tmp_path / "node_modules").symlink_to(MODULES)
    module = tmp_path / "example.mjs"
    module.write_text(IN_NODE[name].at(server.url))
    async with NodeProgram(ROOT / "tests/node/docs-example.mjs", str(module), str(shelf.image())) as program:
        (result,) = [printed async for printed in program.lines()]
    assert result["ended"]["status"] == "completed"
    assert result["shown"][-1][1] == 100
    if name in ("polling", "files-events"):
        fields = {field for field, *_ in table(DOCS / "migrating.md", name)}
        assert fields - {"error"} == result["ended"].keys() - {"error"}
    elif name != "both":
        assert result["ended"]["element"]["outputs"]


def test_the_example_in_node_verifies_a_signature(node: None, tmp_path: Path) -> None:
    (tmp_path / "verify.mjs").write_text(examples("js")["verify-js"].code)
    script = tmp_path / "run.mjs"
    script.write_text(
        'import { verified } from "./verify.mjs";\n'
        "const [secret, headers, body] = JSON.parse(process.argv[2]);\n"
        'console.log(verified(secret, headers, Buffer.from(body, "hex")));\n'
    )

    def verified(secret: str, sent: dict[str, Any], body: bytes) -> bool:
        lower = {name.lower(): value for name, value in sent.items()}
        command = ["node", str(script), json.dumps([secret, lower, body.hex()])]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
        return done.stdout.strip() == "true"

    verify_signature(verified)
