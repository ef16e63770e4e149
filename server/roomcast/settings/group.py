"""What the groups of settings have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class SettingsGroup(BaseModel):
    """A group of settings that one part of the program reads."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
