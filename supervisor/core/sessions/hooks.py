"""Whether the hooks of a session's agent are heard."""

from __future__ import annotations

import enum


class Hooks(enum.Enum):
    """How far the hooks of one session are known to work."""

    NONE = "none"  # it was given none, or an earlier supervisor started it and may have heard them
    AWAITED = "awaited"  # it was given some, and they have not spoken yet
    SPOKE = "spoke"
    SILENT = "silent"  # it edited files, and they did not speak
