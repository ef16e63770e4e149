"""Run all checks of a server, and collect what they find."""

from __future__ import annotations

import asyncio
import ssl
import time

from roomcast.cli.doctor import checks, timing
from roomcast.cli.doctor.connection import Connection
from roomcast.cli.doctor.findings import WAIT_SECONDS, Diagnosis, Finding, Misconfiguration, merged
from roomcast.client.errors import NETWORK, ClientError
from roomcast.errors import Code
from roomcast.runtime.clocks import Clock


async def diagnose(
    url: str,
    *,
    token: str | None = None,
    origin: str | None = None,
    wait_seconds: int = WAIT_SECONDS,
    tls: ssl.SSLContext | None = None,
    clock: Clock = time.time,
) -> Diagnosis:
    """Check the way to the server at `url` and return what is wrong with it. No upload is created.

    `origin` is a page's origin that the server allows; by default the first of `ROOMCAST_CORS_ORIGINS`. Requests last
    up to `wait_seconds`. `tls` is the context of HTTPS. `clock` returns the seconds since the Unix epoch. Raises
    `ClientError` when the server cannot be reached or does not accept the token, and `ValueError` for a wrong URL.
    """
    async with Connection(url, token, tls) as connection:
        first = await connection.request("GET", checks.HEADERS_PATH)
        if first.error:
            raise ClientError(NETWORK, f"{url} cannot be reached: {first.error.rstrip('.')}.")
        try:
            blocking = checks.check_entrance(connection.url, first)
        except LookupError as error:
            raise ClientError(NETWORK, str(error)) from None
        if blocking:
            return Diagnosis(url, blocking, ["Nothing else was checked."])
        return await _Examination(connection, origin, wait_seconds, clock).run(url)


class _Examination:
    """The checks of one server, and their findings."""

    def __init__(self, connection: Connection, origin: str | None, wait_seconds: int, clock: Clock) -> None:
        self._connection = connection
        self._origin = origin
        self._wait_seconds = wait_seconds
        self._clock = clock
        self._findings: list[Finding] = []
        self._skipped: list[str] = []

    async def run(self, url: str) -> Diagnosis:
        connection = self._connection
        self._findings += await checks.check_headers(connection)
        authorised = await self._check_report()
        running = [
            checks.check_range(connection),
            checks.check_methods(connection),
            timing.check_socket(connection, self._wait_seconds),
        ]
        if self._origin:
            running.append(checks.check_cors(connection, self._origin))
        if authorised:
            running += [
                timing.check_body(connection),
                timing.check_sizes(connection),
                timing.check_stream(connection),
                timing.check_long_requests(connection, self._wait_seconds),
            ]
        polling, others = await asyncio.gather(checks.check_polling(connection), asyncio.gather(*running))
        for findings in (polling.findings, *others):
            self._findings += findings
        skipped = polling.skipped
        if connection.refused_busy:
            skipped = [*skipped, "Some checks were not made: the server answers as many of them as it can. Try again."]
        return Diagnosis(url, merged(self._findings), [*self._skipped, *skipped])

    async def _check_report(self) -> bool:
        """Check what the server reports of a request. Return whether it accepts the token."""
        connection, began = self._connection, self._clock()
        reply = await connection.request("GET", "/api/doctor")
        if reply.status == 200:
            report = reply.json()
            self._findings += checks.check_report(connection.url, report, began, self._clock())
            self._origin = self._origin or next(iter(report["origins"]), None)
            if not self._origin:
                self._skipped.append("CORS was not checked: ROOMCAST_CORS_ORIGINS names no origin.")
            return True
        removed = any(finding.misconfiguration is Misconfiguration.CREDENTIALS_REMOVED for finding in self._findings)
        if reply.status == 401 and not removed:
            text = "accept the token" if connection.token else "answer without a token; give it one with --token"
            raise ClientError(Code.UNAUTHENTICATED.value, f"The server does not {text}.", status=401)
        self._skipped.append(
            f"Bodies, streams, the clock and the address were not checked: a request {reply.describe()}."
        )
        return False
