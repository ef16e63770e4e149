"""The npm package: its content, its types, and applications that use it in pages of another origin."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import BrowserContext, Page, expect

from tests.conftest import Serve, Shelf
from tests.support.browser.demo import WORK_SECONDS, Card
from tests.support.harness import ROOT, RunningServer
from tests.support.pages import ADDRESS, examples

NODE = ROOT / "tests" / "node" / "node_modules"
LIBRARIES = ROOT / "static" / "node_modules"
WORK_MS = WORK_SECONDS * 1000

pytestmark = [
    pytest.mark.browser,
    pytest.mark.node,
    pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed"),
    pytest.mark.skipif(
        not (LIBRARIES / "esbuild").is_dir() or not (NODE / "vite").is_dir(),
        reason="node_modules are missing: `make setup` brings them",
    ),
]

SOURCES = {
    "react.entry.jsx": 'import { createRoot } from "react-dom/client";\nimport { App } from "./App.jsx";\n'
    'createRoot(document.querySelector("#app")).render(<App />);\n',
    "one.entry.jsx": """
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { RoomcastProvider, useRoomcast, useUpload } from "roomcast/react";
function Sender() {
  const { send, id, status, sending, cancel } = useUpload();
  return <>
    <input type="file" aria-label="Files" onChange={(event) => send(event.target.files[0])} />
    <button onClick={cancel}>Cancel</button>
    <output>{status ?? sending}</output>
    {id && <Watcher id={id} />}
  </>;
}
function Watcher({ id }) {
  const { url } = useRoomcast();
  const { status } = useUpload(id);
  return <><p id="same">{status}</p><RoomcastProvider url={url}><Other id={id} /></RoomcastProvider></>;
}
function Other({ id }) {
  const { status, file } = useUpload(id);
  return <p id="other">{`${status} ${file}`}</p>;
}
const url = new URLSearchParams(location.search).get("server");
createRoot(document.querySelector("#app")).render(
  <StrictMode><RoomcastProvider url={url}><Sender /></RoomcastProvider></StrictMode>,
);
""",
    "elements.entry.js": """
import { connect } from "roomcast";
import "roomcast/element";
const url = new URLSearchParams(location.search).get("server");
document.querySelector("#app").innerHTML =
  '<upload-drop for="uploads"></upload-drop><upload-progress-list id="uploads" results></upload-progress-list>';
uploads.roomcast = connect({ url });
""",
    "example-vue.entry.js": 'import "./vue/main.js";\n',
    "client.entry.js": 'import { connect } from "roomcast";\nglobalThis.connect = connect;\n',
    "types.tsx": """
import { connect, RoomcastError, type Message } from "roomcast";
import { UploadDrop } from "roomcast/element";
import { RoomcastProvider, useRoomcast, useUpload, useUploads } from "roomcast/react";
import { de } from "roomcast/locale/de";
import * as vue from "roomcast/vue";
import { ref } from "vue";

const upload = connect({ url: "https://media.example" }).upload(new File([], "a"), {
  onProgress: (state: Message) => state.progress.toFixed(),
});
upload.finished.then(({ element }) => element?.outputs[0].url, (error: RoomcastError) => error.code);
const drop: UploadDrop = document.createElement("upload-drop");
drop.disabled = true;
drop.locale = { ...de, heading: "Dateien" };
drop.locale = "fr";
const sentence: string = drop.locale.error({ code: "NETWORK", message: "" });
export function App() {
  const { uploads, aggregate, send } = useUploads();
  const one = useUpload("upload_1");
  const client = useRoomcast();
  return (
    <RoomcastProvider url={new URL("https://media.example")} token="t">
      <upload-drop for="list" accept="image/*" onClick={() => send([])} />
      <upload-progress-list id="list" results max-items={5} roomcast={client} />
      {uploads.map(({ progress }) => progress + aggregate.progress)} {one.state?.message}
    </RoomcastProvider>
  );
}
vue.createRoomcast({ token: ref("t") });
export const percent: number = vue.useUpload(ref("upload_1")).progress.value;
// @ts-expect-error: an option that there is not
connect({ server: "x" });
""",
}

SENDER = """
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect } from "roomcast";

const [, , url, path] = process.argv;
const roomcast = connect({ url });
while (roomcast.state !== "online") await once(roomcast, "statechange");
const { status } = await roomcast.upload(new File([readFileSync(path)], "picture.png")).finished;
console.log(roomcast.state, status);
roomcast.close();
"""
"""A program for Node."""


def run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Build and pack the package; return what npm says of it, with the path of the archive."""
    folder = tmp_path_factory.mktemp("packed")
    run(["node", "build.mjs", "packages"], ROOT / "static")
    (made,) = json.loads(run(["npm", "pack", "--json", "--pack-destination", str(folder)], ROOT / "build" / "npm"))
    return {**made, "archive": folder / made["filename"]}


class Project:
    """A folder with applications that have the package installed, and their bundles."""

    def __init__(self, folder: Path, archive: Path) -> None:
        self.folder = folder
        modules = folder / "node_modules"
        (modules / "@types").mkdir(parents=True)
        run(["tar", "xzf", str(archive), "-C", str(modules)], folder)
        (modules / "package").rename(modules / "roomcast")
        for name in ("socket.io-client", "tus-js-client"):
            (modules / name).symlink_to(LIBRARIES / name)
        for name in ("react", "react-dom", "vue", "@types/react"):
            (modules / name).symlink_to(NODE / name)
        (folder / "package.json").write_text('{"type": "module"}')
        for name, source in SOURCES.items():
            (folder / name).write_text(source)

    def bundle(self, server: str) -> None:
        """Bundle the applications and the examples of the documentation, for a server."""
        named = {"App.jsx": examples("jsx")["react"], "vue.entry.js": examples("js")["vue-app"]}
        for name, example in named.items():
            (self.folder / name).write_text(example.at(server))
        (self.folder / "App.vue").write_text(examples("vue")["vue"].code)
        for name in ("html", "react", "vue", "node"):
            copy = shutil.copytree(ROOT / "examples" / name, self.folder / name)
            for file in copy.iterdir():
                file.write_text(file.read_text().replace(ADDRESS, server))
        start = json.loads((self.folder / "react" / "package.json").read_text())["scripts"]["start"]
        command = [option for option in start.split() if not option.startswith("--serve")]
        run([str(LIBRARIES / ".bin" / command[0]), *command[1:]], self.folder / "react")
        run(["node", "consume.mjs", str(self.folder)], ROOT / "tests" / "node")
        result = json.loads((self.folder / "result.json").read_text())
        self.sizes: dict[str, dict[str, int]] = result["sizes"]
        self.rendered: dict[str, str] = result["rendered"]


@pytest.fixture(scope="module")
def project(packed: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("project"), packed["archive"])


def test_archive_has_the_entries_their_types_and_nothing_else(packed: dict[str, Any], project: Project) -> None:
    files = {file["path"] for file in packed["files"]}
    description = json.loads((project.folder / "node_modules" / "roomcast" / "package.json").read_text())
    entries = [one for one in description["exports"].values() if isinstance(one, dict)]
    named = {path.removeprefix("./") for entry in entries for path in entry.values()}
    assert named | {"package.json", "README.md", "LICENSE", "roomcast.iife.js"} <= files
    others = {path for path in files - named if not path.startswith(("chunks/", "types/"))}
    assert others == {"package.json", "README.md", "LICENSE", "roomcast.iife.js"}
    assert all(path.endswith((".js", ".d.ts", ".json", ".md", "LICENSE")) for path in files)
    assert description["version"] in (ROOT / "pyproject.toml").read_text()
    assert "dependencies" not in description
    assert {"socket.io-client", "tus-js-client", "hls.js", "react", "vue"} == description["peerDependencies"].keys()
    assert {"hls.js", "react", "vue"} == description["peerDependenciesMeta"].keys()
    for path in files:
        text = (project.folder / "node_modules" / "roomcast" / path).read_text()
        assert "cdn.jsdelivr.net" not in text, path
        assert path.endswith(".iife.js") or "import.meta" not in text or path.startswith("types/"), path


def test_types_of_every_entry_are_those_that_an_application_needs(project: Project) -> None:
    options = ["--noEmit", "--strict", "--jsx", "react-jsx", "--module", "esnext", "--moduleResolution", "bundler"]
    target = ["--target", "es2022", "--lib", "es2022,dom,dom.iterable", "--skipLibCheck", "false"]
    run([str(NODE / ".bin" / "tsc"), *options, *target, "types.tsx"], project.folder)


class Elsewhere:
    """A web server of another origin, with the bundles of the project."""

    def __init__(self, folder: Path) -> None:
        app = web.Application()
        app.router.add_get("/shop/{name:.+}.html", self._page)
        app.router.add_static("/files", folder)
        self.server = TestServer(app, host="localhost")

    async def _page(self, request: web.Request) -> web.Response:
        script = request.match_info["name"]
        kind = "" if script.endswith(".iife") else ' type="module"'
        html = '<!doctype html><html lang="en"><meta charset="utf-8"><title>Shop</title><div id="app"></div>'
        return web.Response(text=f"{html}<script{kind} src='/files/{script}.js'></script>", content_type="text/html")

    async def open(self, context: BrowserContext, name: str, server: RunningServer) -> Page:
        """Open the page of a bundle, or a page of the project. What it requests of a third origin fails the test."""
        page = await context.new_page()
        own = f"http://localhost:{self.server.port}"
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        path = f"files/{name}" if name.endswith(".html") else f"shop/{name}.html"
        await page.goto(f"{own}/{path}?server={server.url}")
        self.asked = asked
        self.origins = (own, server.url, "blob:", "data:")
        return page

    def only_two_origins(self) -> bool:
        return all(url.startswith(self.origins) for url in self.asked)


@pytest_asyncio.fixture(loop_scope="session")
async def elsewhere(project: Project) -> AsyncIterator[Elsewhere]:
    other = Elsewhere(project.folder)
    await other.server.start_server()
    yield other
    await other.server.close()


async def test_applications_of_another_origin_upload_and_show_results(
    serve: Serve, context: BrowserContext, elsewhere: Elsewhere, project: Project, shelf: Shelf
) -> None:
    server = serve(ROOMCAST_CORS_ORIGINS=f"http://localhost:{elsewhere.server.port}")
    project.bundle(server.url)
    assert {name: 'type="file"' in html for name, html in project.rendered.items()} == {"react": True, "vue": True}
    picture = shelf.image()

    for name in ("vite/react", "dist/vue"):
        page = await elsewhere.open(context, name, server)
        await page.get_by_label("Files").set_input_files(picture)
        link = page.get_by_role("link", name="result")
        await expect(link, name).to_be_visible(timeout=WORK_MS)
        href = await link.get_attribute("href") or ""
        assert href.startswith(f"{server.url}/media/"), name
        assert await page.evaluate("async (url) => (await fetch(url)).status", href) == 200
        assert elsewhere.only_two_origins(), elsewhere.asked

    page = await elsewhere.open(context, "dist/one", server)
    await page.get_by_label("Files").set_input_files(picture)
    await expect(page.locator("output")).to_have_text("completed", timeout=WORK_MS)
    await expect(page.locator("#same")).to_have_text("completed")
    await expect(page.locator("#other")).to_have_text("completed null", timeout=WORK_MS)

    (project.folder / "sender.mjs").write_text(SENDER)
    assert run(["node", "sender.mjs", server.url, str(picture)], project.folder).split() == ["online", "completed"]

    await every_example_uploads(project, elsewhere, context, server, picture)

    clip = shelf.clip(seconds=1)
    for name, files in {"dist/elements": [picture], "dist/elements.iife": [picture, clip]}.items():
        page = await elsewhere.open(context, name, server)
        await page.get_by_label("Choose files").set_input_files(files)
        for file in files:
            await Card(page, file.name).reaches("Completed")
        await expect(page.locator("#panel"), "the styles are in the bundle").to_have_css("display", "grid")
        assert elsewhere.only_two_origins(), elsewhere.asked
    await every_result_works(page, server)


async def every_example_uploads(
    project: Project, elsewhere: Elsewhere, context: BrowserContext, server: RunningServer, picture: Path
) -> None:
    """Send a picture with each client of the folder `examples`, until there is a link to the result."""
    for name, label in {
        "html/index.html": "Choose files",
        "react/index.html": "Files",
        "dist/example-vue": "Files",
    }.items():
        page = await elsewhere.open(context, name, server)
        await page.get_by_label(label).set_input_files(picture)
        link = page.locator(f"li > a[href^='{server.url}/media/']:not([download])")
        await expect(link, name).to_be_visible(timeout=WORK_MS)
        assert await link.evaluate("async ({ href }) => (await fetch(href)).status") == 200, name
        assert elsewhere.only_two_origins(), elsewhere.asked
    printed = run(["node", "node/upload.mjs", str(picture)], project.folder)
    assert "done: 100 %\n" in printed
    assert f": {server.url}/media/" in printed.splitlines()[-1]


async def every_result_works(page: Page, server: RunningServer) -> None:
    """Check each picture, player, poster, storyboard and download of the page's list."""
    results = page.locator("upload-progress-list")
    closed = results.get_by_role("button", name="Show result")
    for left in reversed(range(await closed.count())):
        await closed.first.click()
        await expect(closed).to_have_count(left)
    await results.locator(".screen img").evaluate("(image) => image.decode()")
    video = results.locator(".screen video")
    assert (await video.get_attribute("poster") or "").startswith(server.url)
    await video.evaluate(
        """(video) => new Promise((resolve, reject) => {
          video.oncanplay = resolve;
          video.onerror = () => reject(video.error);
          video.load();
          video.preload = "auto";
        })"""
    )
    urls = await results.evaluate(
        """(list) => list.roomcast.uploads.flatMap(({ state }) => state.element.outputs.map(({ url }) => url))
          .concat([...list.shadowRoot.querySelectorAll(".downloads a")].map(({ href }) => href))"""
    )
    assert len(urls) > 4
    for url in {*urls, await video.get_attribute("poster")}:
        assert url.startswith(f"{server.url}/media/")
        assert await page.evaluate("async (url) => (await fetch(url)).status", url) == 200, url
    async with page.expect_download() as saving:
        await results.locator(".downloads a").first.click()
    assert (await saving.value).suggested_filename.startswith(("clip", "picture")), "it is saved and not opened"
