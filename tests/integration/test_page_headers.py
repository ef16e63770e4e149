"""The headers of pages, and which files `/static` serves."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from urllib.parse import urljoin

import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpClient
from roomcast.hosting.above import add_routes_above
from roomcast.http import pages as pages_module
from roomcast.http.downloads.bundle import load_bundle
from roomcast.http.pages import CDN_SCRIPTS, LIBRARIES, STATIC, is_served, page_policy
from roomcast.media.s3.store import S3MediaStore
from roomcast.media.url_signer import UrlSigner

from tests.integration.conftest import ServeApp
from tests.support import described
from tests.support.app import AppServer
from tests.support.harness import ROOT, Api
from tests.support.tokens import SECRET


def policy_of(headers: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the sources of a Content-Security-Policy by directive."""
    directives = [one.split() for one in headers["Content-Security-Policy"].split(";")]
    return {name: sources for name, *sources in directives}


def check_page(path: str, headers: Mapping[str, str]) -> None:
    """Check the headers that every HTML page must have."""
    policy = policy_of(headers)
    assert policy["default-src"] == ["'none'"], path
    assert policy["base-uri"] == ["'none'"], path
    assert policy["frame-ancestors"] in (["'none'"], ["'self'"]), path
    framing = "DENY" if policy["frame-ancestors"] == ["'none'"] else "SAMEORIGIN"
    assert headers["X-Frame-Options"] == framing, path
    sources = {source for name in policy for source in policy[name]}
    assert not sources & {"*", "http:", "https:", "ws:", "wss:", "'unsafe-eval'"}, path
    elsewhere = [source for source in policy.get("script-src", []) if not source.startswith("'")]
    assert all(re.fullmatch(r"https://[^/]+/.+\.js", source) for source in elsewhere), f"{path}: not a whole host"
    assert headers["X-Content-Type-Options"] == "nosniff", path
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin", path
    assert "camera=()" in headers["Permissions-Policy"], path
    assert headers["Referrer-Policy"] in ("same-origin", "no-referrer"), path


def pages() -> list[str]:
    """Return the paths of all operations that answer with HTML."""
    operations = {path: methods["get"] for path, methods in described.http()["paths"].items() if "get" in methods}
    return [
        path
        for path, operation in operations.items()
        if any("text/html" in response.get("content", {}) for response in operation["responses"].values())
    ]


@pytest.mark.parametrize("env", [{}, {"JWT_SECRET": SECRET}], ids=["open mode", "with a secret"])
async def test_every_html_page_has_a_policy_and_forbids_framing_by_others(serve: ServeApp, env: dict[str, str]) -> None:
    server = await serve(**env)
    found = pages()
    assert {"/progress-demo", "/admin", "/docs"} <= set(found)
    about = {"token": "link_x", "name": "x"}
    requests: list[tuple[str, dict[str, str]]] = [(path.format_map(about), {}) for path in found]
    requests += [("/admin", {"X-Forwarded-For": "203.0.113.7"}), ("/admin", {"Authorization": "Bearer garbage"})]
    statuses = set()
    async with Api(server) as api:
        for path, headers in requests:
            reply = await api.request("GET", path, headers={"Accept": "text/html", **headers})
            assert reply.headers["Content-Type"].startswith("text/html"), path
            check_page(path, reply.headers)
            statuses.add(reply.status)
    assert statuses == ({200, 401, 404} if env else {200, 403, 404})


async def test_page_of_ones_own_beside_the_client_has_the_headers_of_a_page_and_may_contain_scripts(
    serve: ServeApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "my-page.html").write_text("<!doctype html><script>1</script>")
    async with Api(await serve()) as api:
        monkeypatch.setattr(pages_module, "STATIC", tmp_path / "static")
        reply = await api.request("GET", "/static/my-page.html")
    check_page("/static/my-page.html", reply.headers)
    assert policy_of(reply.headers)["script-src"] == ["'self'", "'unsafe-inline'", *CDN_SCRIPTS]


async def test_admin_page_and_reference_are_never_framed_and_the_demo_by_its_own_origin_only(
    server: AppServer,
) -> None:
    async with Api(server) as api:
        framing = {
            path: policy_of((await api.request("GET", path)).headers)["frame-ancestors"]
            for path in ("/admin", "/docs", "/progress-demo")
        }
    assert framing == {"/admin": ["'none'"], "/docs": ["'none'"], "/progress-demo": ["'self'"]}


async def test_admin_page_shows_posters_of_the_public_address_and_runs_only_its_own_scripts(serve: ServeApp) -> None:
    async with Api(await serve(ROOMCAST_PUBLIC_URL="https://media.example/roomcast")) as api:
        policy = policy_of((await api.request("GET", "/admin")).headers)
    assert policy["img-src"] == ["'self'", "https://media.example"]
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == ["'self'"]


async def test_every_other_response_is_of_the_type_that_it_says(server: AppServer) -> None:
    """Also errors, and those of a browser that would rather have HTML."""
    paths = [
        "/", "/static/nothing.js", "/static/roomcast.js", "/api/config", "/api/uploads", "/api/uploads/x",
        "/api/transflow/status", "/docs/tutorial.md", "/metrics", "/healthz", "/readyz",
        "/media/a/b/c", "/socket.io/?EIO=4&transport=polling", "/socket.io/?EIO=3&transport=polling",
    ]  # fmt: skip
    async with Api(server) as api:
        for path in paths:
            reply = await api.request("GET", path, headers={"Accept": "text/html"}, allow_redirects=False)
            assert reply.headers["X-Content-Type-Options"] == "nosniff", path
            assert not reply.headers["Content-Type"].startswith("text/html"), path
            assert reply.headers["Server"] == "Roomcast", path


async def test_page_may_use_the_origin_of_the_public_address_and_no_other(serve: ServeApp) -> None:
    server = await serve(ROOMCAST_PUBLIC_URL="https://films.example:8443/roomcast")
    async with Api(server) as api:
        policy = policy_of((await api.request("GET", "/progress-demo")).headers)
    assert policy["connect-src"] == ["'self'", "https://films.example:8443"]
    assert policy["img-src"] == ["'self'", "blob:", "data:", "https://films.example:8443"]
    assert policy["media-src"] == ["'self'", "blob:", "https://films.example:8443"]
    bundled = "page/progress-demo.html" in load_bundle(STATIC).pages
    assert policy["script-src"] == ["'self'", *(() if bundled else CDN_SCRIPTS)]


@pytest.mark.parametrize(
    ("endpoint", "public", "origins"),
    [
        (None, None, ("https://films.s3.eu-west-1.amazonaws.com",)),
        ("http://127.0.0.1:9000", None, ("http://127.0.0.1:9000",)),
        ("https://s3.example/", "https://cdn.example/films", ("https://s3.example", "https://cdn.example")),
        ("https://s3.example", "https://s3.example/films", ("https://s3.example",)),
    ],
)
async def test_bucket_has_the_origins_that_results_and_parts_are_at(
    monkeypatch: pytest.MonkeyPatch, endpoint: str | None, public: str | None, origins: tuple[str, ...]
) -> None:
    for name, value in {"ACCESS_KEY_ID": "a", "SECRET_ACCESS_KEY": "b", "DEFAULT_REGION": "eu-west-1"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    signer = UrlSigner(b"s" * 32, seconds=60)
    async with S3MediaStore.open(
        "films", endpoint_url=endpoint, signer=signer, public_base_url=public, url_seconds=60
    ) as store:
        assert store.origins == origins
        assert store.url("upload_x/video.mp4").startswith(origins[-1])
    assert policy_of({"Content-Security-Policy": page_policy(origins)})["connect-src"] == ["'self'", *origins]


def test_page_of_a_server_alone_uses_no_other_origin() -> None:
    policy = policy_of({"Content-Security-Policy": page_policy([])})
    assert policy["connect-src"] == policy["style-src"] == ["'self'"]
    assert policy["media-src"] == ["'self'", "blob:"]


def test_scripts_of_the_cdn_are_those_that_the_client_loads_with_their_hashes() -> None:
    source = (STATIC / "shared" / "lazy-import.js").read_text()
    assert sorted(re.findall(r'"(https://[^"]+)"', source)) == sorted(CDN_SCRIPTS)
    assert source.count('integrity: "sha384-') == len(CDN_SCRIPTS)


def test_libraries_are_those_of_the_wheel_and_those_that_pages_load() -> None:
    hook = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"]
    packed = {name for name in hook["custom"]["libraries"] if not name.endswith(".txt")}
    assert packed == LIBRARIES


def tracked() -> set[str]:
    """Return the files below `static/`, without those of npm packages and of the bundle."""
    files = (path.relative_to(STATIC) for path in STATIC.rglob("*") if path.is_file())
    return {path.as_posix() for path in files if path.parts[0] not in ("node_modules", "dist")}


def test_static_files_for_npm_and_for_tools_are_not_served() -> None:
    refused = {name for name in tracked() if not is_served(PurePosixPath(name))}
    assert refused >= {"package.json", "package-lock.json", ".npmrc", "tsconfig.json", "admin/admin.html"}
    assert {Path(name).suffix or name for name in refused} == {".json", ".npmrc", ".html", ".md", ".mjs"}


@pytest.mark.parametrize(
    ("path", "served"),
    [
        ("roomcast.js", True),
        ("roomcast.d.ts", True),
        ("admin/admin.css", True),
        ("favicon.svg", True),
        ("my-page.html", True),
        ("docs/docs.html", False),
        ("dist/roomcast-1A2B3C4D.js", True),
        ("dist/roomcast-1A2B3C4D.js.br", False),
        ("dist/progress-demo.html", False),
        ("dist/manifest.json", False),
        ("dist/roomcast.served", False),
        ("build.mjs", False),
        (".my-page.html", False),
        (".git/config.js", False),
        ("node_modules/tus-js-client/dist/tus.min.js", True),
        ("node_modules/tus-js-client/package.json", False),
        ("node_modules/tus-js-client/dist/tus.js", False),
        ("node_modules/.package-lock.json", False),
        ("node_modules/page.html", False),
        ("node_modules", False),
        ("my.json", False),
        ("notes.txt", False),
        ("roomcast.js.map", False),
        ("Makefile", False),
        (".", False),
    ],
)
def test_static_file_is_served_by_its_path(path: str, served: bool) -> None:
    assert is_served(PurePosixPath(path)) is served


async def test_static_files_that_are_not_served_are_not_found(server: AppServer) -> None:
    async with Api(server) as api:
        for name in (
            ".npmrc", "package.json", "package-lock.json", "tsconfig.json", "admin/admin.html",
            "page/progress-demo.html", "docs/docs.html", "node_modules/socket.io-client/package.json",
            "node_modules/.package-lock.json", "admin", "admin/%2e%2e/package.json", "a/..%2f.npmrc",
            "..%2fpyproject.toml", "%2fetc%2fpasswd", "admin/..", "x%00.js",
        ):  # fmt: skip
            reply = await api.request("GET", f"/static/{name}")
            assert reply.refusal == (404, "NOT_FOUND"), name


BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


@pytest.mark.parametrize("prefix", ["", "/shop/uploads"])
async def test_address_that_does_not_exist_has_a_page_for_people_and_json_for_clients(
    serve: ServeApp, prefix: str
) -> None:
    async with Api(await serve(ROOMCAST_PREFIX=prefix)) as api:
        for path in ("/nothing", "/nothing/here/at-all", "/admin/nothing"):
            page = await api.request("GET", path, headers=BROWSER)
            assert page.status == 404
            assert page.headers["Content-Type"].startswith("text/html")
            check_page(path, page.headers)
            links = [
                urljoin(f"{prefix}{path}", link) for link in re.findall(r'(?:href)="([^"]+)"', page.content.decode())
            ]
            assert f"{prefix}/progress-demo" in links
            for link in links:
                found = await api.request("GET", link.removeprefix(prefix))
                assert found.status == 200, link
            for headers in ({"Accept": "*/*"}, {"Accept": "application/json"}, {}):
                assert (await api.request("GET", path, headers=headers)).refusal == (404, "NOT_FOUND")
            posted = await api.request("POST", path, headers=BROWSER)
            assert posted.headers["Content-Type"].startswith("application/json")
        for path in ("/api/nothing", "/static/nothing.js", "/media/a/b/c"):
            reply = await api.request("GET", path, headers=BROWSER)
            assert reply.headers["Content-Type"].startswith("application/json"), path
        icon = await api.request("GET", "/favicon.ico", headers={"Accept": "image/*"})
        assert (icon.status, icon.headers["Content-Type"]) == (200, "image/svg+xml")


async def test_paths_above_a_prefix_lead_people_to_the_demo_and_clients_to_an_error(
    aiohttp_client: AiohttpClient,
) -> None:
    root = web.Application()
    add_routes_above(root, "/uploads")
    client = await aiohttp_client(root)
    start = await client.get("/", allow_redirects=False)
    assert (start.status, start.headers["Location"]) == (302, "/uploads/progress-demo")
    page = await client.get("/elsewhere", headers=BROWSER)
    assert (page.status, page.content_type) == (404, "text/html")
    assert 'href="/uploads/docs"' in await page.text()
    refusal = await client.post("/api/uploads")
    assert refusal.status == 404
    assert (await refusal.json())["error"]["message"].endswith("Everything is below /uploads/.")
