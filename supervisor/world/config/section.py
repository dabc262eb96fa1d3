"""What every table of the file has in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A table of the file: frozen, and with no key that is not named here."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
