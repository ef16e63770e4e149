"""Lasting links: what they show, what they allow, and that nobody can tell why one does not work."""

from __future__ import annotations

from html import unescape
from typing import Any

import pytest

from tests.conftest import Shelf
from tests.support.app import AppServer
from tests.support.harness import Api, Reply, eventually
from tests.support.tokens import SECRET, token
from tests.support.watchers import Watcher


@pytest.fixture
def settings() -> dict[str, str]:
    return {"JWT_SECRET": SECRET}


async def link_to(api: Api, upload_id: str, **wanted: Any) -> dict[str, Any]:
    reply = await api.request("POST", f"/api/uploads/{upload_id}/links", json=wanted)
    assert reply.status == 201, reply.body
    made: dict[str, Any] = reply.body
    return made


async def page(api: Api, url: str) -> Reply:
    return await api.request("GET", url, allow_redirects=False)


async def test_link_shows_the_results_until_it_is_revoked(server: AppServer, shelf: Shelf) -> None:
    async with Api(server, token("ada")) as ada, Api(server, token("bob")) as bob, Api(server) as nobody:
        upload_id = await ada.accepted(shelf.image(), template="image")
        state = await ada.finished(upload_id)
        made = await link_to(ada, upload_id)
        assert (made["scope"], made["expires"]) == ("view", None)
        assert made["url"].startswith("/u/link_")
        assert len(made["url"]) > 45
        shown = await page(nobody, made["url"])
        assert shown.status == 200
        html = shown.content.decode()
        assert state["element"]["outputs"][0]["kind"] == "image"
        for needed in ("<picture>", "image/avif", 'property="og:image"', "application/json+oembed", "noindex"):
            assert needed in html, needed
        assert shown.headers["Referrer-Policy"] == "no-referrer"
        assert shown.headers["X-Robots-Tag"] == "noindex"
        assert shown.headers["X-Frame-Options"] == "DENY"
        assert "default-src 'none'" in shown.headers["Content-Security-Policy"]
        main = state["element"]["outputs"][0]["key"].rpartition("/")[2]
        for path in (f"{made['url']}/{main}?download=1", f"{made['url']}?download=1"):
            redirect = await page(nobody, path)
            assert redirect.status == 302
            saved = await nobody.request("GET", redirect.headers["Location"])
            assert saved.headers["Content-Disposition"].startswith("attachment; filename=")
        embed = await nobody.request("GET", "/oembed", params={"url": f"{server.url}{made['url']}", "maxwidth": "40"})
        assert (embed.body["type"], embed.body["width"], embed.body["title"]) == ("photo", 40, state["filename"])
        assert (await page(nobody, embed.body["url"])).status == 302
        assert (await nobody.request("GET", "/oembed", params={"url": f"{server.url}/x"})).status == 404
        listed = await ada.request("GET", f"/api/uploads/{upload_id}/links")
        assert [(link["id"], "url" in link) for link in listed.body["links"]] == [(made["id"], False)]
        secret = made["url"].rpartition("/")[2].encode()
        assert all(secret not in path.read_bytes() for path in server.data.glob("ledger.sqlite3*")), "it is hashed"
        path = f"/api/uploads/{upload_id}/links/{made['id']}"
        assert (await bob.request("DELETE", path)).refusal == (403, "FORBIDDEN")
        assert [(await ada.request("DELETE", path)).status for _ in range(2)] == [204, 404]
        embeds = [
            await nobody.request("GET", "/oembed", params={"url": url}) for url in (made["url"], "/u/link_unknown")
        ]
        assert (embeds[0].refusal, embeds[0].body) == ((404, "NOT_FOUND"), embeds[1].body)
        gone = await page(nobody, made["url"])
        unknown = await page(nobody, "/u/link_unknown")
        assert (gone.status, gone.content, gone.headers.get("X-Robots-Tag")) == (404, unknown.content, "noindex")
        assert (await page(nobody, f"{made['url']}/{main}")).status == 404
        again = await link_to(ada, upload_id)
        await ada.delete(upload_id)
        assert (await page(nobody, again["url"])).content == unknown.content


async def test_expired_link_is_like_one_that_never_was(server: AppServer) -> None:
    async with Api(server, token("ada")) as ada, Api(server) as nobody:
        upload_id, _ = await ada.reserved("a.mp4", 100)
        lasting = await link_to(ada, upload_id, expires="1h")
        made = await link_to(ada, upload_id, expires=0.2)

        async def gone() -> bool:
            return (await page(nobody, made["url"])).content == (await page(nobody, "/u/link_x")).content

        await eventually(gone)
        assert (await page(nobody, lasting["url"])).status == 200
        listed = (await ada.request("GET", f"/api/uploads/{upload_id}/links")).body["links"]
        assert [link["id"] for link in listed] == [lasting["id"]]


@pytest.mark.parametrize(
    "wrong",
    [
        {"scope": "admin"},
        {"expires": "yesterday"},
        {"expires": "2020-01-01T00:00:00Z"},
        {"expires": "2100-01-01T00:00:00"},
        {"expires": -1},
        {"expires": 0},
        {"expires": True},
        {"more": 1},
    ],
)
async def test_wrong_link_is_refused(server: AppServer, wrong: dict[str, Any]) -> None:
    async with Api(server, token("ada")) as ada:
        upload_id, _ = await ada.reserved("a.mp4", 100)
        reply = await ada.request("POST", f"/api/uploads/{upload_id}/links", json=wrong)
        assert reply.refusal == (400, "MALFORMED")


async def test_token_of_a_link_allows_what_its_scope_says_and_nothing_else(server: AppServer) -> None:
    async with Api(server, token("ada")) as ada:
        upload_id, content = await ada.reserved("<b>&.mp4", 100)
        other, _ = await ada.reserved("b.mp4", 100)
        view, control = [await link_to(ada, upload_id, scope=scope) for scope in ("view", "control")]
        tokens = [link["url"].rpartition("/")[2] for link in (view, control)]
        shown = (await page(ada, view["url"])).content.decode()
        assert "<b>&" not in shown
        assert "<b>&.mp4" in unescape(shown)
        assert 'class="view"' in shown
        async with Api(server, tokens[0]) as viewing, Api(server, tokens[1]) as controlling:
            for link in (viewing, controlling):
                assert (await link.get(upload_id)).status == 200
                assert (await link.get(other)).refusal == (403, "FORBIDDEN")
                for method, path in (
                    ("DELETE", f"/api/uploads/{upload_id}"),
                    ("PUT", content),
                    ("POST", f"/api/uploads/{upload_id}/links"),
                    ("POST", f"/api/uploads/{upload_id}/process"),
                    ("POST", "/api/uploads"),
                    ("GET", "/api/uploads"),
                    ("GET", "/api/admin/overview"),
                    ("DELETE", f"/api/tus/{upload_id}"),
                    ("GET", f"/api/progress/{upload_id}"),
                ):
                    headers = {"Tus-Resumable": "1.0.0"}
                    reply = await link.request(method, path, data=b"x" * 100, headers=headers)
                    assert reply.status == 403, (method, path)
            assert (await viewing.cancel(upload_id)).refusal == (403, "FORBIDDEN")
        async with (
            Watcher(server.url, auth={"token": tokens[0]}) as viewing_socket,
            Watcher(server.url, auth={"token": tokens[1]}) as controlling_socket,
        ):
            assert (await viewing_socket.join(upload_id))["ok"] is True
            assert (await viewing_socket.join(other))["error"]["code"] == "FORBIDDEN"
            assert (await viewing_socket.cancel(upload_id))["error"]["code"] == "FORBIDDEN"
            assert (await controlling_socket.cancel(upload_id))["ok"] is True
            await viewing_socket.end(upload_id)
        await ada.request("DELETE", f"/api/uploads/{upload_id}/links/{view['id']}")
        async with Api(server, tokens[0]) as revoked:
            assert (await revoked.get(upload_id)).refusal == (401, "UNAUTHENTICATED")


async def test_retry_by_a_link_needs_the_stored_source_because_its_holder_has_no_file(server: AppServer) -> None:
    async with Api(server, token("ada")) as ada:
        upload_id, _ = await ada.reserved("a.mp4", 100)
        view, control = [await link_to(ada, upload_id, scope=scope) for scope in ("view", "control")]
        await ada.cancel(upload_id)
        for made, refusal in ((view, (403, "FORBIDDEN")), (control, (409, "SOURCE_GONE"))):
            async with Api(server, made["url"].rpartition("/")[2]) as holder:
                assert (await holder.retry(upload_id)).refusal == refusal
                assert (await holder.get(upload_id)).body["stage"] == "cancelled"
        assert (await ada.retry(upload_id)).body["state"]["stage"] == "receiving"


async def test_socket_of_a_revoked_link_is_disconnected_and_hears_no_more(server: AppServer) -> None:
    async with Api(server, token("ada")) as ada:
        upload_id, _ = await ada.reserved("a.mp4", 100)
        made = [await link_to(ada, upload_id) for _ in range(2)]
        first, second = [{"token": link["url"].rpartition("/")[2]} for link in made]
        async with Watcher(server.url, auth=first) as revoked, Watcher(server.url, auth=second) as other:
            for watcher in (revoked, other):
                assert (await watcher.join(upload_id))["ok"] is True
            heard = len(revoked.received)
            await ada.request("DELETE", f"/api/uploads/{upload_id}/links/{made[0]['id']}")
            await revoked.wait_until(lambda: revoked.disconnections == 1)
            await ada.cancel(upload_id)
            await other.end(upload_id)
            assert (len(revoked.received), other.disconnections) == (heard, 0)
