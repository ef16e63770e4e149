"""What decides who calls and what may be uploaded: an application's functions, and the URLs that the settings name."""

from __future__ import annotations

from contextlib import AsyncExitStack

from roomcast.auth.jwks import JwksTokens, KeySet
from roomcast.auth.tokens import Tokens, TokenVerifier
from roomcast.extensions.auth_url import UrlAuthentication
from roomcast.extensions.contract import Authenticate, BeforeCreate
from roomcast.extensions.create_url import UrlCheck
from roomcast.extensions.registry import Extensions, name_of
from roomcast.json_requests import JsonRequests
from roomcast.services.authentication import TokenSource
from roomcast.settings.auth import AuthSettings
from roomcast.settings.intake import IntakeSettings
from roomcast.settings.settings import SettingsError


def open_tokens(auth: AuthSettings, lifetime: AsyncExitStack) -> TokenSource | None:
    """Return what verifies the tokens that the settings describe; None if there are none. It is open until `lifetime`
    ends, as all here."""
    if not auth.has_tokens:
        return None
    if auth.jwt_jwks_url is None:
        return Tokens(auth)
    requests = JsonRequests(auth.jwt_jwks_url)
    lifetime.push_async_callback(requests.close)
    return JwksTokens(KeySet(requests), TokenVerifier(auth.jwt_audience, auth.jwt_issuer))


def open_authentication(auth: AuthSettings, extensions: Extensions, lifetime: AsyncExitStack) -> Authenticate | None:
    """Return the function that authenticates callers: the application's, or the one that asks a URL."""
    if auth.auth_url is None:
        return extensions.authenticates
    if extensions.authenticates:
        raise SettingsError(
            f"ROOMCAST_AUTH_URL: Callers are authenticated by {name_of(extensions.authenticates)} already. Let one of "
            "them decide."
        )
    requests = JsonRequests(auth.auth_url)
    lifetime.push_async_callback(requests.close)
    return UrlAuthentication(requests)


def open_checks(intake: IntakeSettings, extensions: Extensions, lifetime: AsyncExitStack) -> list[BeforeCreate]:
    """Return the checks of new uploads: the application's, and then the one that asks a URL."""
    if intake.create_url is None:
        return extensions.checks
    requests = JsonRequests(intake.create_url)
    lifetime.push_async_callback(requests.close)
    return [*extensions.checks, UrlCheck(requests)]
