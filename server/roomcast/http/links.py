"""The addresses of an upload's own routes, as responses name them. Pure."""

from __future__ import annotations


class Links:
    """Absolute where the public address is known; otherwise paths, which clients resolve against the address they
    called."""

    def __init__(self, public_url: str | None = None) -> None:
        self._base = (public_url or "").rstrip("/")

    def content(self, upload_id: str) -> str:
        """Where the bytes of a reservation are sent in one request."""
        return f"{self._base}/api/uploads/{upload_id}/content"

    def tus(self, upload_id: str) -> str:
        """Where its bytes are sent in pieces."""
        return f"{self._base}/api/tus/{upload_id}"

    def progress(self, upload_id: str) -> str:
        """What is called after each part that was sent to the bucket."""
        return f"{self._base}/api/uploads/{upload_id}/progress"

    def complete(self, upload_id: str) -> str:
        """What is called after the last of them."""
        return f"{self._base}/api/uploads/{upload_id}/complete"
