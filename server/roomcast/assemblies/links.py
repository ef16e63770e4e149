"""Lasting links to uploads: what is stored of them, and how they are made, found and revoked.

The token of a link is in its URL and stored nowhere: the record's id is the token's hash. A link is valid for one epoch
of its upload, so it does not lead to a later upload with the same id.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from roomcast.assemblies.store import Record, RecordStore
from roomcast.errors import NotFound, TooMany, Unauthenticated
from roomcast.ledger.contract import UploadLog
from roomcast.runtime.clocks import unix_time
from roomcast.uploads.lifecycle import Stage
from roomcast.uploads.model import Upload
from roomcast.uploads.viewer import LinkAccess, LinkScope, Viewer

TOKEN_PREFIX = "link_"  # noqa: S105  (it says that a token is one of a link)
MAX_LINKS = 100
"""The most links to one upload."""


@dataclass(frozen=True, kw_only=True)
class UploadLink(Record):
    """A link to the upload that is the record's group. Its id is the hash of the token.

    `link_id` names it to its owner. `epoch` is that of the upload. `expires_at` is a Unix time; None: never.
    """

    link_id: str
    epoch: str
    scope: LinkScope
    expires_at: float | None


class UploadLinks:
    """Makes, finds and revokes links."""

    def __init__(
        self, records: RecordStore[UploadLink], ledger: UploadLog, *, clock: Callable[[], float] = unix_time
    ) -> None:
        self._records = records
        self._ledger = ledger
        self._clock = clock
        self.on_revoked: Callable[[str], None] = lambda record_id: None
        """Called with the id of the record of a link that this process has revoked."""

    async def create(self, upload: Upload, scope: LinkScope, expires_at: float | None) -> tuple[UploadLink, str]:
        """Return a new link to an upload, and its token. Raise `TooMany` if the upload has too many."""
        if len(await self.of(upload)) >= MAX_LINKS:
            raise TooMany(f"An upload has at most {MAX_LINKS} links. Revoke one that is not needed.")
        token = f"{TOKEN_PREFIX}{secrets.token_urlsafe(32)}"
        link = UploadLink(
            id=_hash(token),
            group=upload.id,
            created_at=self._clock(),
            due_at=None,
            link_id=secrets.token_hex(8),
            epoch=upload.epoch,
            scope=scope,
            expires_at=expires_at,
        )
        await self._records.add(link)
        return link, token

    async def of(self, upload: Upload) -> list[UploadLink]:
        """Return the links to an upload that have not expired, newest first. Others are deleted."""
        valid = []
        for link in await self._records.in_group(upload.id):
            if link.epoch == upload.epoch and not self._expired(link):
                valid.append(link)
            else:
                await self._records.delete(link.id)
        return valid

    async def revoke(self, upload: Upload, link_id: str) -> None:
        """Delete a link. Raise `NotFound` if the upload has no such link."""
        for link in await self._records.in_group(upload.id):
            if link.link_id == link_id:
                await self._records.delete(link.id)
                self.on_revoked(link.id)
                return
        raise NotFound("There is no such link.")

    async def revoke_all(self, upload: Upload) -> None:
        """Delete all links to an upload."""
        for link in await self._records.in_group(upload.id):
            await self._records.delete(link.id)

    async def find(self, token: str) -> tuple[UploadLink, Upload]:
        """Return the link with this token, and its upload. Raise `NotFound` if the link is unknown, expired or revoked,
        or its upload does not exist any more."""
        # The token is compared by its hash, so the time that this takes says nothing about tokens that are valid.
        return await self._get(_hash(token))

    async def check(self, access: LinkAccess) -> None:
        """Raise `Unauthenticated` if the link of a viewer has been revoked, has expired, or its upload is gone."""
        try:
            await self._get(access.record_id)
        except NotFound as error:
            raise _no_longer_valid() from error

    async def _get(self, record_id: str) -> tuple[UploadLink, Upload]:
        try:
            link = await self._records.get(record_id)
            upload = await self._ledger.get(link.group)
        except NotFound:
            raise NotFound("There is no such link.") from None
        if self._expired(link) or upload.epoch != link.epoch or upload.stage is Stage.DELETED:
            raise NotFound("There is no such link.")
        return link, upload

    async def viewer(self, token: str) -> Viewer:
        """Return the viewer that a link's token stands for. Raise `Unauthenticated`."""
        try:
            link, upload = await self.find(token)
        except NotFound as error:
            raise _no_longer_valid() from error
        access = LinkAccess(upload.id, link.scope, link.id)
        return Viewer(f"link {link.link_id}", expires_at=link.expires_at, link=access)

    def _expired(self, link: UploadLink) -> bool:
        return link.expires_at is not None and link.expires_at <= self._clock()


def _no_longer_valid() -> Unauthenticated:
    return Unauthenticated("The link is not valid, or no longer.")


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
