"""The wheel: installed in an empty environment outside the checkout, it serves everything and processes an upload."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest
from roomcast.http.downloads.bundle import load_bundle
from roomcast.http.pages import STATIC

from deploy.sbom import bill_of_materials
from tests.conftest import Shelf
from tests.support.harness import ROOT, Api, RunningServer

pytestmark = pytest.mark.skipif(
    not load_bundle(STATIC).pages, reason="the bundle of static/ is missing or out of date: `make setup` brings it"
)


_BUILD = """
import functools
from hatchling.builders.config import BuilderConfig
from hatchling.cli import hatchling

# It would compile the patterns of artifacts twice for each of thousands of files.
compiled = functools.cached_property(BuilderConfig.artifact_spec.fget)
compiled.__set_name__(BuilderConfig, "artifact_spec")
BuilderConfig.artifact_spec = compiled
hatchling()
"""


def build(target: str, folder: Path, project: Path) -> None:
    """Build a distribution of `project` in `folder`, with the build backend of this environment."""
    command = [sys.executable, "-c", _BUILD, "build", "-t", target, "-d", str(folder)]
    subprocess.run(command, cwd=project, check=True, capture_output=True)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the source distribution, and return the folder that it is unpacked in."""
    folder = tmp_path_factory.mktemp("sdist")
    build("sdist", folder, ROOT)
    (built,) = folder.glob("*.tar.gz")
    with tarfile.open(built) as archive:
        archive.extractall(folder, filter="data")
    return folder / built.name.removesuffix(".tar.gz")


@pytest.fixture(scope="module")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel as `pip wheel` would of the source distribution."""
    folder = tmp_path_factory.mktemp("wheel")
    build("wheel", folder, source)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the Python of an environment with the wheel and this environment's other packages, without the checkout.

    The dependencies are this environment's files under other names, so that nothing is downloaded and hundreds of
    megabytes are not copied. A sandbox can read them there; it could not follow a path to this environment.
    """
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*command, str(wheel)], check=True, capture_output=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    ours = shutil.ignore_patterns("*roomcast*", "*.pth")
    shutil.copytree(sysconfig.get_path("purelib"), packages, copy_function=_link, ignore=ours, dirs_exist_ok=True)
    return python


def _link(source: str, target: str) -> None:
    """Give a file another name, or copy it if it is another user's or on another file system."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


class InstalledServer(RunningServer):
    """`roomcast serve` of the installed wheel, started in another folder."""

    warm = False

    def __init__(self, data: Path, python: Path, folder: Path) -> None:
        super().__init__(data, command=(str(python.with_name("roomcast")), "serve"))
        self._command[0] = str(python)
        self.root = folder


def test_the_source_distribution_has_every_file_but_the_tests(source: Path) -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    wanted = {name for name in listed if not name.startswith(("tests/", ".ci/"))}
    found = {str(path.relative_to(source)) for path in source.rglob("*")}
    assert wanted - found == set()
    assert not {name for name in found if name.startswith(("tests", ".venv", "build"))}


def test_the_wheel_has_every_file_of_the_packages_and_of_the_page(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    packages = {name.partition("/")[2] for name in tracked if name.startswith(("server/", "workers/"))}
    page = (
        name for name in tracked if name.startswith("static/") and not name.endswith((".json", ".md", ".mjs", ".npmrc"))
    )
    static = {f"roomcast/{name}" for name in page}
    assert (packages | static) - names == set()
    assert {"roomcast/py.typed", "roomcast_workers/py.typed"} <= names


def test_the_wheel_has_each_library_that_the_page_loads_and_its_licence(wheel: Path) -> None:
    loaded = {
        found
        for path in (ROOT / "static").rglob("*.js")
        if "node_modules" not in path.parts
        for found in re.findall(r'(?:module: "|"../node_modules/)([^"$]+)"', path.read_text())
    }
    for page in (ROOT / "static").glob("*/*.html"):
        loaded |= set(re.findall(r'"static/node_modules/([^"]+)"', page.read_text()))
    assert {"swagger-ui-dist/swagger-ui.css", "uplot/dist/uPlot.esm.js"} <= loaded
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    root = "roomcast/static/node_modules"
    assert {f"{root}/{library}" for library in loaded} - names == set()
    assert {f"{root}/{library.split('/')[0]}/LICENSE" for library in loaded} - names == set()


def test_the_wheel_has_the_bill_of_materials(wheel: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    libraries = project["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"]["custom"]["libraries"]
    version = project["project"]["version"]
    with zipfile.ZipFile(wheel) as archive:
        packed = archive.read(f"roomcast-{version}.dist-info/sboms/roomcast.cdx.json").decode()
    assert packed == bill_of_materials(ROOT, version, libraries)


def test_the_source_distribution_has_the_files_that_an_installation_needs_and_no_tests(source: Path) -> None:
    assert not (source / "tests").exists()
    for name in ("LICENSE", "README.md", "requirements.txt", "Dockerfile", "compose.yaml", "deploy/nginx.conf"):
        assert (source / name).read_bytes() == (ROOT / name).read_bytes()


def test_the_installed_command_says_its_version(installed: Path, tmp_path: Path) -> None:
    command = [str(installed), "-P", str(installed.with_name("roomcast")), "--version"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert done.stdout == f"{project['name']} {project['version']}\n"


def test_the_installed_packages_are_those_of_the_wheel(installed: Path, tmp_path: Path) -> None:
    script = "import roomcast, roomcast_workers; print(roomcast.__file__, roomcast_workers.__file__)"
    done = subprocess.run([installed, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert str(ROOT) not in done.stdout


async def test_the_installed_wheel_serves_the_pages_and_completes_an_upload(
    installed: Path, tmp_path: Path, shelf: Shelf
) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    with InstalledServer(tmp_path / "data", installed, folder) as server:
        async with Api(server) as api:
            for path in (
                "/progress-demo", "/static/roomcast.js", "/static/upload-progress-list.js", "/admin", "/docs",
                "/static/node_modules/socket.io-client/dist/socket.io.esm.min.js", "/docs/tutorial.md",
                "/static/node_modules/swagger-ui-dist/swagger-ui-bundle.js",
            ):  # fmt: skip
                assert (await api.request("GET", path)).status == 200, path
            page = await api.request("GET", "/progress-demo", headers={"Accept-Encoding": "gzip"})
            assert 'src="static/dist/progress-demo-' in page.content.decode(), "the wheel has the bundle of its sources"
            assert page.headers["Content-Encoding"] == "gzip"
            assert (await api.finished(await api.accepted(shelf.image())))["status"] == "completed"
