"""What can be wrong between clients and a server, and which settings of a proxy correct it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any

WAIT_SECONDS = 35
"""How long requests last by default: longer than the 30 seconds after which some proxies cut them off."""

MAX_WAIT_SECONDS = 60


class Misconfiguration(StrEnum):
    """The stable code of each finding."""

    REDIRECTED = "redirected"
    PREFIX_WRONG = "prefix_wrong"
    BODY_BUFFERED = "body_buffered"
    BODY_LIMITED = "body_limited"
    RESPONSE_BUFFERED = "response_buffered"
    STREAM_COMPRESSED = "stream_compressed"
    WEBSOCKET_BLOCKED = "websocket_blocked"
    POLLING_NOT_STICKY = "polling_not_sticky"
    REQUEST_CUT = "request_cut"
    CORS_INCOMPLETE = "cors_incomplete"
    CLOCK_OFF = "clock_off"
    SCHEME_WRONG = "scheme_wrong"
    HOST_WRONG = "host_wrong"
    PROXY_NOT_TRUSTED = "proxy_not_trusted"
    CLIENT_UNKNOWN = "client_unknown"
    RANGE_REMOVED = "range_removed"
    CREDENTIALS_REMOVED = "credentials_removed"
    HEADERS_REMOVED = "headers_removed"
    METHOD_BLOCKED = "method_blocked"
    RESPONSES_CACHED = "responses_cached"


@dataclass(frozen=True)
class Advice:
    """What a problem means for users, and which setting of each proxy to change."""

    effect: str
    nginx: str
    caddy: str
    haproxy: str


@dataclass(frozen=True)
class Finding:
    """A problem, and the sentence that says what was observed."""

    misconfiguration: Misconfiguration
    evidence: str

    @property
    def advice(self) -> Advice:
        return ADVICE[self.misconfiguration]

    def to_json(self) -> dict[str, Any]:
        return {"code": self.misconfiguration.value, "evidence": self.evidence, **vars(self.advice)}


@dataclass(frozen=True)
class Diagnosis:
    """The findings, at most one for each problem, and sentences about the checks that were not made."""

    url: str
    findings: list[Finding]
    skipped: list[str]

    def to_json(self) -> dict[str, Any]:
        findings = [finding.to_json() for finding in self.findings]
        return {"url": self.url, "findings": findings, "skipped": self.skipped}


def merged(findings: Iterable[Finding]) -> list[Finding]:
    """Return one finding for each problem, in the order of `Misconfiguration`, with all its evidence."""
    evidence: dict[Misconfiguration, list[str]] = {}
    for finding in findings:
        sentences = evidence.setdefault(finding.misconfiguration, [])
        if finding.evidence not in sentences:
            sentences.append(finding.evidence)
    return [Finding(problem, " ".join(evidence[problem])) for problem in Misconfiguration if problem in evidence]


ADVICE: Mapping[Misconfiguration, Advice] = MappingProxyType(
    {
        Misconfiguration.REDIRECTED: Advice(
            "Clients do not follow redirects with the bodies of uploads.",
            "Call the address that `return 301` names.",
            "Call the https:// address: Caddy redirects http:// by default.",
            "Call the address that `http-request redirect` names.",
        ),
        Misconfiguration.PREFIX_WRONG: Advice(
            "Links lead nowhere, so uploads fail after the first request.",
            "Set ROOMCAST_PREFIX to the path that `proxy_pass` passes on, or ROOMCAST_PUBLIC_URL to the address with "
            "the path that it removes.",
            "Set ROOMCAST_PREFIX to the path of `handle`, or ROOMCAST_PUBLIC_URL to the address with that of "
            "`handle_path`, which removes it.",
            "Set ROOMCAST_PREFIX to the path, or ROOMCAST_PUBLIC_URL to the address with the path that `http-request "
            "replace-path` removes.",
        ),
        Misconfiguration.BODY_BUFFERED: Advice(
            "Progress stands still and then jumps, and large files fill the proxy's disk.",
            "Set `proxy_request_buffering off` and `proxy_http_version 1.1`.",
            "Remove `request_buffers` from `reverse_proxy`.",
            "Remove `option http-buffer-request`.",
        ),
        Misconfiguration.BODY_LIMITED: Advice(
            "Files above the limit are refused with 413.",
            "Set `client_max_body_size 0`.",
            "Remove `request_body { max_size … }`, or raise it.",
            "Remove the rule that denies requests by `req.body_size` or `content-length`.",
        ),
        Misconfiguration.RESPONSE_BUFFERED: Advice(
            "Event streams show nothing until they end.",
            "Set `proxy_buffering off`, or remove `proxy_ignore_headers X-Accel-Buffering`.",
            "Set `flush_interval -1` in `reverse_proxy`, and remove `response_buffers`.",
            "Remove filters that collect responses, such as `filter compression` for text/event-stream.",
        ),
        Misconfiguration.STREAM_COMPRESSED: Advice(
            "Event streams are held back until the compressor has enough of them.",
            "Remove text/event-stream, and *, from `gzip_types` and `brotli_types`.",
            "Set `match` in `encode`, so that text/event-stream is not among the types.",
            "Remove text/event-stream from `compression type`.",
        ),
        Misconfiguration.WEBSOCKET_BLOCKED: Advice(
            "Clients fall back to polling, and those that know WebSockets only cannot connect.",
            "Set `proxy_http_version 1.1`, `proxy_set_header Upgrade $http_upgrade` and `proxy_set_header Connection "
            "$http_connection`.",
            "Remove `header_up -Upgrade` and `header_up -Connection`; `reverse_proxy` passes WebSockets on by itself.",
            "Remove rules that delete or deny the header Upgrade, and use `mode http` with `timeout tunnel 1h`.",
        ),
        Misconfiguration.POLLING_NOT_STICKY: Advice(
            "Clients that poll are disconnected again and again.",
            "Set `ip_hash`, or `hash $remote_addr consistent`, in `upstream`.",
            "Set `lb_policy cookie`, or `lb_policy ip_hash`, in `reverse_proxy`.",
            "Set `cookie roomcast insert indirect nocache` in the backend and `cookie NAME` on each server, or "
            "`balance source`.",
        ),
        Misconfiguration.REQUEST_CUT: Advice(
            "Long uploads, downloads and event streams break off.",
            "Raise `proxy_read_timeout`, `proxy_send_timeout`, `client_body_timeout` and `send_timeout` to 60s or "
            "more.",
            "Remove `read_body`, `write` and `response_header_timeout`, or raise them.",
            "Raise `timeout client` and `timeout server` to 60s or more, and `timeout tunnel` to 1h.",
        ),
        Misconfiguration.CORS_INCOMPLETE: Advice(
            "Pages of other origins cannot upload, or cannot resume, because they may not read ETag, Location or "
            "Upload-Offset.",
            "Remove `add_header Access-Control-…` and `proxy_hide_header`; the server sends these headers itself.",
            "Remove `header Access-Control-…`; the server sends these headers itself.",
            "Remove `http-response set-header Access-Control-…`; the server sends these headers itself.",
        ),
        Misconfiguration.CLOCK_OFF: Advice(
            "Tokens and links are refused as expired, or live too long; S3 refuses requests.",
            "Let NTP set the clock of the server, or of this machine: `timedatectl set-ntp true`.",
            "Let NTP set the clock of the server, or of this machine: `timedatectl set-ntp true`.",
            "Let NTP set the clock of the server, or of this machine: `timedatectl set-ntp true`.",
        ),
        Misconfiguration.SCHEME_WRONG: Advice(
            "The server cannot tell pages by HTTPS from pages that an attacker put into the network.",
            "Set `proxy_set_header X-Forwarded-Proto $scheme`.",
            "Remove `header_up X-Forwarded-Proto`: `reverse_proxy` sets it. Behind another proxy set "
            "`trusted_proxies`.",
            "Set `http-request set-header X-Forwarded-Proto https if { ssl_fc }`.",
        ),
        Misconfiguration.HOST_WRONG: Advice(
            "Browsers are refused with 403, unless ROOMCAST_PUBLIC_URL is set.",
            "Set `proxy_set_header Host $http_host`, or ROOMCAST_PUBLIC_URL.",
            "Remove `header_up Host`, or set ROOMCAST_PUBLIC_URL.",
            "Remove `http-request set-header Host`, or set ROOMCAST_PUBLIC_URL.",
        ),
        Misconfiguration.PROXY_NOT_TRUSTED: Advice(
            "The proxy's headers about its clients are ignored: limits per address apply to all clients together.",
            "Set ROOMCAST_TRUSTED_PROXIES on the server to the proxy's address.",
            "Set ROOMCAST_TRUSTED_PROXIES on the server to the proxy's address.",
            "Set ROOMCAST_TRUSTED_PROXIES on the server to the proxy's address.",
        ),
        Misconfiguration.CLIENT_UNKNOWN: Advice(
            "Limits per address apply to all clients together.",
            "Set `proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for`.",
            "Remove `header_up -X-Forwarded-For`.",
            "Set `option forwardfor`.",
        ),
        Misconfiguration.RANGE_REMOVED: Advice(
            "Players cannot seek, and downloads that broke off begin again.",
            'Remove `proxy_set_header Range ""` and `proxy_force_ranges`; do not cache /media/.',
            "Remove `header_up -Range`.",
            "Remove `http-request del-header Range`.",
        ),
        Misconfiguration.CREDENTIALS_REMOVED: Advice(
            "Users cannot authenticate.",
            'Remove `proxy_set_header Authorization ""` and `proxy_set_header Cookie ""`.',
            "Remove `header_up -Authorization` and `header_up -Cookie`.",
            "Remove `http-request del-header Authorization` and `del-header Cookie`.",
        ),
        Misconfiguration.HEADERS_REMOVED: Advice(
            "Resumable uploads and event streams cannot continue where they broke off.",
            "Set `proxy_pass_request_headers on`, and remove `proxy_set_header` lines that empty these headers.",
            "Remove the `header_up -…` lines of these headers.",
            "Remove the `http-request del-header` lines of these headers.",
        ),
        Misconfiguration.METHOD_BLOCKED: Advice(
            "Uploads by PUT or tus, or cancelling, fail.",
            "Remove `limit_except`, and rules on `$request_method`.",
            "Remove the `method` matcher that refuses these methods.",
            "Remove the `http-request deny` rule on `method`.",
        ),
        Misconfiguration.RESPONSES_CACHED: Advice(
            "Clients see outdated states.",
            "Set `proxy_cache off` for /api/, or remove `proxy_ignore_headers Cache-Control`.",
            "Do not cache /api/.",
            "Remove `http-request cache-use` for /api/.",
        ),
    }
)
