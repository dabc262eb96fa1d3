"""What was used of each quota, for those who ask."""

from __future__ import annotations

from typing import Any

from supervisor.core.decisions.tables import Tables
from supervisor.core.history.quota import limits_of


def quotas_json(tables: Tables, now: float) -> list[dict[str, Any]]:
    """Return each quota with what was used of it within its window; `untold` sessions used what nobody knows."""
    found = []
    for quota in tables.policy.quotas:
        used = tables.starts.used(quota, now)
        spends = quota.tokens is not None or quota.cost_usd is not None
        found.append(
            {
                "name": quota.name,
                "harnesses": list(quota.harnesses),
                "account": quota.account,
                "window": quota.window,
                "sessions": {"used": used.sessions, "of": quota.sessions},
                "tokens": {"used": used.tokens, "of": quota.tokens},
                "cost_usd": {"used": round(used.cost_usd, 6), "of": quota.cost_usd},
                "untold": tables.starts.untold_of(quota, now) if spends else 0,
                "frees": used.frees,
                "told": limits_of(quota, used),
            }
        )
    return found
