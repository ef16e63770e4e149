"""Put Roomcast below a prefix of another aiohttp application.

Roomcast is an application of its own. Its requests get paths that begin below the prefix, so that nothing in it knows
the prefix but what makes links.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

from aiohttp import web
from yarl import URL

from roomcast.app import SHUTDOWN, build_app
from roomcast.extensions.registry import Extensions
from roomcast.http.request_handler import corrected
from roomcast.rooms.shared_server import SharedServer
from roomcast.settings.settings import Settings

Build = Callable[[], Awaitable[web.Application]]

_OUTER = web.RequestKey("outer", web.Request)
_RETURNED = web.RequestKey("returned", bool)


class Mount:
    """Serves an application below a prefix of another one, which starts it and stops it with itself."""

    def __init__(self, outer: web.Application, prefix: str, build: Build) -> None:
        """`build` returns the application when `outer` starts. `prefix` is a checked one, or "" for every path."""
        self._prefix = prefix
        self._build = build
        self._app: web.Application | None = None
        path = f"{prefix}{{path:(?:/.*)?}}" if prefix else "/{path:.*}"
        # Of two handlers of an `Expect` header, the one of the application below answers.
        outer.router.add_route("*", path, self._handle, expect_handler=_expect_nothing)
        outer.cleanup_ctx.append(self._running)
        outer.on_shutdown.append(lambda _: self.shut_down())

    @property
    def app(self) -> web.Application:
        """The application, which runs."""
        if self._app is None:
            raise web.HTTPServiceUnavailable(reason="The server is starting or stopping.")
        return self._app

    async def shut_down(self) -> None:
        """Hand work back and close sockets; requests get 503 from now on."""
        app, self._app = self._app, None
        if app:
            await app[SHUTDOWN]()

    async def _running(self, _: web.Application) -> AsyncIterator[None]:
        app = await self._build()
        app.on_response_prepare.append(_prepare_outer)
        runner = web.AppRunner(app)
        self._app = app
        try:
            await runner.setup()
            yield
        finally:
            await self.shut_down()  # if the other application did not come to its own shutdown
            await runner.cleanup()

    async def _handle(self, outer: web.Request) -> web.StreamResponse:
        """Return the response of the application below. It is prepared already if it is a stream."""
        path = outer.rel_url.raw_path.removeprefix(self._prefix)
        query = f"?{outer.rel_url.raw_query_string}" if outer.rel_url.raw_query_string else ""
        if not path:  # a relative URL of the page would begin beside the prefix
            raise web.HTTPFound(f"{self._prefix.rpartition('/')[2]}/{query}")
        app = self.app
        message = corrected(outer._message)  # noqa: SLF001  (aiohttp has no public way)
        request = outer.clone(
            rel_url=URL(f"{path}{query}", encoded=True),
            headers=message.headers,
            client_max_size=app._client_max_size,  # noqa: SLF001
        )
        request[_OUTER] = outer
        response = await app._handle(request)  # noqa: SLF001
        if not response.prepared:
            request[_RETURNED] = True
            await request._prepare_hook(response)  # noqa: SLF001
        return response


def mount_roomcast(
    outer: web.Application, settings: Settings, extensions: Extensions, server: SharedServer | None = None
) -> Mount:
    """Put Roomcast below the prefix of the settings. It runs as long as `outer` does."""
    return Mount(outer, settings.server.prefix, lambda: build_app(settings, extensions, server))


async def _prepare_outer(request: web.Request, response: web.StreamResponse) -> None:
    """Let the outer application prepare a stream, too. Other responses are returned to it."""
    if _OUTER in request and _RETURNED not in request:
        await request[_OUTER]._prepare_hook(response)  # noqa: SLF001


async def _expect_nothing(_: web.Request) -> None:
    """Leave an `Expect` header to the application below."""
