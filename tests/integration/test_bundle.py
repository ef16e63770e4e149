"""The bundle as it is served: compressed, cached for good, and left out where it was not made."""

from __future__ import annotations

import gzip
import re
from collections.abc import Mapping

import aiohttp
import pytest
from roomcast.http.downloads.bundle import load_bundle
from roomcast.http.pages import STATIC

from tests.support.app import AppServer
from tests.support.harness import Api

PAGES = {"/progress-demo": "progress-demo", "/admin": "admin", "/docs": "docs"}

pytestmark = pytest.mark.skipif(
    not load_bundle(STATIC).pages, reason="the bundle of static/ is missing or out of date: `make setup` brings it"
)


async def test_scripts_and_styles_are_compressed_as_the_client_prefers_and_cached_for_good(server: AppServer) -> None:
    async with Api(server) as api, aiohttp.ClientSession(server.url, auto_decompress=False) as session:
        for path, name in PAGES.items():
            page = (await api.request("GET", path)).content.decode()
            assert "static/client/" not in page
            assert f'src="static/dist/{name}-' in page
            for url in re.findall(r'"(static/dist/[^"]+)"', page):
                assert re.fullmatch(r"static/dist/[a-z.-]+-[0-9A-Z]{8}\.(js|css|svg)", url)
                plain = await api.request("GET", f"/{url}", headers={"Accept-Encoding": "identity"})
                assert "Content-Encoding" not in plain.headers
                check_caching(plain.headers)
                for encoding in ("gzip", "br"):
                    accepted = {"Accept-Encoding": f"{encoding}, identity;q=0.5"}
                    async with session.get(f"/{url}", headers=accepted) as reply:
                        content = await reply.read()
                    assert reply.status == 200
                    assert reply.headers["Content-Encoding"] == encoding
                    assert reply.headers["Content-Type"] == plain.headers["Content-Type"]
                    assert reply.headers["ETag"] != plain.headers["ETag"]
                    assert len(content) < len(plain.content)
                    assert encoding == "br" or gzip.decompress(content) == plain.content
                    check_caching(reply.headers)
                    known = {**accepted, "If-None-Match": reply.headers["ETag"]}
                    async with session.get(f"/{url}", headers=known) as unchanged:
                        assert unchanged.status == 304
                    check_caching(unchanged.headers)


def check_caching(headers: Mapping[str, str]) -> None:
    assert headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert headers["Vary"] == "Accept-Encoding"


async def test_public_module_is_checked_at_every_use_and_exports_the_bundle(server: AppServer) -> None:
    async with Api(server) as api:
        for name in ("roomcast", "element", "upload-drop", "upload-progress", "upload-progress-list"):
            reply = await api.request("GET", f"/static/{name}.js")
            assert reply.headers["Content-Type"].startswith("text/javascript")
            assert "immutable" not in reply.headers.get("Cache-Control", "")
            *imports, exports = reply.content.decode().splitlines()
            assert re.fullmatch(rf'export \* from "\./dist/{name}-\w+\.js";', exports)
            for line in (*imports, exports):
                script = line.split('"./')[1].removesuffix('";')
                assert (await api.request("HEAD", f"/static/{script}")).status == 200
        assert (await api.request("GET", "/static/client/connection.js")).status == 200, "every module is still served"


async def test_files_of_the_bundle_that_are_for_the_server_are_not_served(server: AppServer) -> None:
    async with Api(server) as api:
        for path in sorted((STATIC / "dist").iterdir()):
            if path.suffix not in (".js", ".css", ".svg"):
                assert (await api.request("GET", f"/static/dist/{path.name}")).status == 404, path.name


async def test_client_that_accepts_nothing_of_what_there_is_gets_the_plain_page(server: AppServer) -> None:
    async with Api(server) as api:
        plain = await api.request("GET", "/progress-demo", headers={"Accept-Encoding": "*;q=0"})
        zipped = await api.request("GET", "/progress-demo", headers={"Accept-Encoding": "gzip"})
        assert zipped.content == plain.content
        assert [each.headers.get("Content-Encoding") for each in (plain, zipped)] == [None, "gzip"]
        assert (plain.headers["Cache-Control"], zipped.headers["Cache-Control"]) == ("no-cache", "no-cache")
        assert zipped.headers["Content-Security-Policy"] == plain.headers["Content-Security-Policy"]
        assert "jsdelivr" not in plain.headers["Content-Security-Policy"]
