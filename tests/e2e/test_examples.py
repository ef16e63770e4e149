"""The applications of `examples/`: run as their READMEs say, each takes an upload from a user of its own sessions."""

from __future__ import annotations

import difflib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.conftest import Shelf
from tests.support.harness import ROOT, Api, RunningServer
from tests.support.ports import free_port
from tests.support.proxies import running_program
from tests.support.watchers import Watcher, refused

EXAMPLES = ROOT / "examples"
FRAMEWORKS = {"aiohttp": "app.py", "fastapi": "app.py", "flask": "app.py", "django": "serve.py"}
MAX_CHANGED_LINES = 15


class Prefixed(RunningServer):
    """A server with Roomcast below `/uploads`."""

    ready = re.compile(r"^Roomcast is ready: (http://127\.0\.0\.1:(\d+))/uploads/progress-demo\n$")

    def __init__(self, data: Path, **settings: Any) -> None:
        super().__init__(data, **settings)
        self.prefix = "/uploads"

    @property
    def site(self) -> str:
        """The URL of the application, above the prefix."""
        return self.url.removesuffix(self.prefix)


class Example(Prefixed):
    """`python SCRIPT` in a folder that has a copy of an example, and the server's data in `data`."""

    def __init__(self, folder: Path, script: str) -> None:
        super().__init__(folder / "data", command=(script,), PYTHONUNBUFFERED="1")
        self.root = folder


class Mounted(Example):
    """An aiohttp application, which prints its own address."""

    ready = re.compile(r"^=+ Running on (http://127\.0\.0\.1:(\d+)) =+\n$")


class BesideFlask(Prefixed):
    """`roomcast serve`, which asks the example of Flask on another port."""

    def __init__(self, data: Path, flask: int) -> None:
        url = f"http://127.0.0.1:{flask}"
        urls = {"ROOMCAST_AUTH_URL": f"{url}/who", "ROOMCAST_CREATE_URL": f"{url}/new-upload"}
        super().__init__(data, ROOMCAST_PREFIX="/uploads", **urls)


def copied(name: str, folder: Path) -> Path:
    return Path(shutil.copytree(EXAMPLES / name, folder / name))


def code_lines(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines() if line] if path.exists() else []


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_example_changes_few_lines_of_the_starter(framework: str) -> None:
    """The starter of Django is what `startproject` generates, to which a file is added."""
    starter = code_lines(EXAMPLES / framework / "starter.py")
    changes = list(difflib.unified_diff(starter, code_lines(EXAMPLES / framework / FRAMEWORKS[framework]), n=0))
    changed = [line for line in changes if not line.startswith(("---", "+++", "@@"))]
    assert 5 < len(changed) <= MAX_CHANGED_LINES
    assert not any("roomcast" in line.lower() or "/uploads" in line for line in starter)


@pytest.mark.parametrize("folder", sorted(EXAMPLES.iterdir()), ids=lambda folder: folder.name)
def test_example_has_a_short_readme_with_its_commands(folder: Path) -> None:
    readme = (folder / "README.md").read_text()
    assert len(readme.splitlines()) <= 25
    assert "```sh\n" in readme


async def log_in(url: str, **form: str) -> dict[str, str]:
    """Log in with a form, which may have a CSRF token; return the header with the session's cookie."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
        async with browser.get(url) as page:
            hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]+)"', await page.text()))
        async with browser.post(url, data={**hidden, **form}, allow_redirects=False) as response:
            assert response.status in (302, 303), await response.text()
        return {"Cookie": "; ".join(f"{cookie.key}={cookie.value}" for cookie in browser.cookie_jar)}


async def completed(server: RunningServer, picture: Path) -> dict[str, Any]:
    """Upload a picture with the session's cookie; return the last message of its room."""
    async with Api(server) as api, Watcher(server.url, headers=server.headers) as watcher:
        upload_id = await api.accepted(picture)
        assert (await watcher.join(upload_id))["ok"]
        message = await watcher.end(upload_id)
        assert message["status"] == "completed"
        assert (await api.request("GET", message["element"]["url"])).status == 200
        listed = (await api.list()).body["uploads"]
        assert [upload["uploadId"] for upload in listed] == [upload_id]
    return message


async def check_that_others_are_refused(server: RunningServer) -> None:
    """Check a request without the session, and one that a page of another site sends with it."""
    foreign = {"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}
    forged = {"Cookie": "session=forged; sessionid=forged"}
    for headers, status in (({}, 401), (forged, 401), ({**server.headers, **foreign}, 403)):
        async with aiohttp.request("POST", f"{server.url}/api/uploads", headers=headers, data=b"") as response:
            assert response.status == status
    assert (await refused(server.url))["code"] == "UNAUTHENTICATED"


async def check_page(site: str, cookie: dict[str, str]) -> None:
    """Check that the page has the elements, and that their script is served, for a user alone."""
    async with aiohttp.ClientSession() as browser:
        async with browser.get(f"{site}/") as response:
            assert "<upload-drop" not in await response.text()
        async with browser.get(f"{site}/", headers=cookie) as response:
            (script,) = re.findall(r'<script type="module" src="([^"]+)">', await response.text())
        async with browser.get(f"{site}{script}") as response:
            assert response.status == 200


@pytest.mark.parametrize(("framework", "started"), [("aiohttp", Mounted), ("fastapi", Example)])
async def test_user_of_an_application_in_the_same_process_uploads(
    framework: str, started: type[Example], tmp_path: Path, shelf: Shelf
) -> None:
    pytest.importorskip(framework)
    with started(copied(framework, tmp_path), "app.py") as server:
        server.headers = await log_in(f"{server.site}/login", name="ada")
        await check_page(server.site, server.headers)
        await completed(server, shelf.image(size=(64, 48)))
        await check_that_others_are_refused(server)
        server.headers = await log_in(f"{server.site}/login", name="bob")
        async with Api(server) as bob:
            assert (await bob.list()).body["uploads"] == []


DJANGO_SETUP = """
import django, os
os.environ["DJANGO_SETTINGS_MODULE"] = "shop.settings"
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
call_command("createsuperuser", interactive=False, username="ada", email="ada@shop.example", verbosity=0)
"""
"""Both commands of the README in one process, which is half of the work."""


@pytest.fixture
def django_project(tmp_path: Path) -> Path:
    """Return the folder of a generated project with a superuser, and the example in it."""
    pytest.importorskip("django")
    folder = copied("django", tmp_path)
    env = {**os.environ, "DJANGO_SUPERUSER_PASSWORD": "a-password-of-ada"}
    for command in (["-m", "django", "startproject", "shop", "."], ["-c", DJANGO_SETUP]):
        subprocess.run([sys.executable, *command], cwd=folder, env=env, check=True)
    return folder


async def test_user_of_a_django_project_uploads(django_project: Path, shelf: Shelf) -> None:
    with Example(django_project, "serve.py") as server:
        server.headers = await log_in(f"{server.site}/admin/login/", username="ada", password="a-password-of-ada")
        await completed(server, shelf.image(size=(64, 48)))
        async with Api(server) as ada:
            assert (await ada.request("GET", "/api/admin/overview")).status == 200
        await check_that_others_are_refused(server)


@contextmanager
def running_flask(folder: Path) -> Iterator[int]:
    """Run `flask run` on a port that the system chooses; return the port."""
    command = [sys.executable, "-m", "flask", "run", "--port", "0"]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        with process.stderr as log:
            ready = next(filter(None, (re.search(r"Running on http://127\.0\.0\.1:(\d+)", line) for line in log)))
            yield int(ready[1])
    finally:
        process.terminate()
        process.wait(20)


async def test_user_of_a_flask_application_behind_the_same_proxy_uploads(tmp_path: Path, shelf: Shelf) -> None:
    pytest.importorskip("flask")
    folder = copied("flask", tmp_path)
    port = free_port()
    with running_flask(folder) as flask, BesideFlask(folder / "data", flask) as server:
        caddyfile = (folder / "Caddyfile").read_text()
        for written, used in {":8080": port, ":8000": server.port, ":5000": flask}.items():
            assert written in caddyfile
            caddyfile = caddyfile.replace(written, f":{used}")
        with running_program("caddy", folder / "proxy", caddyfile, port):
            server.port = port
            server.headers = await log_in(f"{server.site}/login", name="ada")
            await check_page(server.site, server.headers)
            message = await completed(server, shelf.image(size=(64, 48)))
            assert message["metadata"] == {"customer": "ada"}
            await check_that_others_are_refused(server)
