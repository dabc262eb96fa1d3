"""The templates of briefs that an operator has written."""

from __future__ import annotations

import structlog

from supervisor.core.sessions.brief import TEMPLATE, misspelt
from supervisor.world.config.models import HarnessSettings, Settings

log = structlog.get_logger("leasehold")


def template_of(harness: HarnessSettings) -> str:
    """Return the template of the brief: the operator's own, or ours when that cannot be read."""
    if harness.brief is None:
        return TEMPLATE
    try:
        return harness.brief.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        log.warning("harness.brief_unread", path=str(harness.brief), why=str(error))
        return TEMPLATE


def say_what_is_misspelt(settings: Settings) -> None:
    """Log what templates seem to get wrong, once at the start and at each reload."""
    for name, harness in settings.harness.items():
        for why in misspelt(template_of(harness)):
            log.warning("harness.brief_odd", harness=name, path=str(harness.brief), why=why)
