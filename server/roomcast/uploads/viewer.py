"""The authenticated caller, and what it may do to an upload."""

from __future__ import annotations

from dataclasses import dataclass

from roomcast.errors import Forbidden
from roomcast.uploads.model import Upload

ANONYMOUS = "anonymous"
"""The user of every caller in open mode."""


@dataclass(frozen=True)
class Viewer:
    """A user id, its permissions, and when its token expires (a Unix time; None: never).

    `address` is the network address of a caller in open mode, where all callers are the same user.
    """

    user: str
    admin: bool = False
    expires_at: float | None = None
    address: str = ""

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
        if upload.owner != self.user and not self.admin:
            raise Forbidden("This upload belongs to another user.")
