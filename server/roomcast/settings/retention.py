"""Settings: how long things are kept."""

from __future__ import annotations

from pydantic import Field

from roomcast.settings.group import SettingsGroup


class RetentionSettings(SettingsGroup):
    """How long things are kept."""

    retention_seconds: float = Field(
        86400,
        gt=0,
        description="How long a finished upload stays in the ledger. Its results stay until you delete them.",
    )
    reservation_seconds: float = Field(
        3600, gt=0, description="How long an upload waits for its first bytes, or for more of them."
    )
    room_linger_seconds: float = Field(60, ge=0, description="How long a room stays open after its upload has ended.")
    task_seconds: float = Field(3600, gt=0, description="How long a finished upload answers on `/api/progress`.")
