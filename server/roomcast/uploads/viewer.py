"""The authenticated caller, and what it may do to an upload."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from roomcast.errors import Forbidden
from roomcast.uploads.model import Upload

ANONYMOUS = "anonymous"
"""The user of every caller in open mode."""


LinkScope = Literal["view", "control"]
"""What a lasting link allows: to see the upload, or also to cancel and retry it."""


LinkAction = Literal["view", "control"] | None
"""What a request does, as far as links are concerned; None: what no link allows."""


@dataclass(frozen=True)
class LinkAccess:
    """The upload that a lasting link leads to, what it allows, and the id of its record."""

    upload_id: str
    scope: LinkScope
    record_id: str


@dataclass(frozen=True)
class Viewer:
    """A user id, its permissions, and when its token expires (a Unix time; None: never).

    `address` is the network address of a caller in open mode, where all callers are the same user. `link` is what the
    caller's lasting link allows, if it has the token of one; it may do nothing else.
    """

    user: str
    admin: bool = False
    expires_at: float | None = None
    address: str = ""
    link: LinkAccess | None = None

    @property
    def client(self) -> str:
        """What quotas and rates are counted by: the address in open mode, or else the user id."""
        return self.address or self.user

    @property
    def account(self) -> str:
        """The name of the account that is charged for the caller's requests, unlike all addresses."""
        return self.address or f"user {self.user}"

    def check_owns(self, upload: Upload) -> None:
        """Raise `Forbidden` for an upload of another user, unless the viewer is an admin."""
        if self.link:
            if upload.id != self.link.upload_id:
                raise Forbidden("The link leads to another upload.")
        elif upload.owner != self.user and not self.admin:
            raise Forbidden("This upload belongs to another user.")

    def check_link_allows(self, action: LinkAction) -> None:
        """Raise `Forbidden` for a caller with a link that does not allow the action (None: no link does)."""
        if self.link and action != "view" and (action is None or self.link.scope != "control"):
            raise Forbidden("The link does not allow this.")
