"""What one session may use of its model: turns, tokens and cost, beside the time of its budget."""

from __future__ import annotations

from dataclasses import dataclass

_WARNED_AT = 0.8  # of an allowance; then the session is told to come to an end


@dataclass(frozen=True, slots=True)
class Allowance:
    """At most so many turns, tokens (in and out) and US dollars; `None`: no limit."""

    turns: int | None = None
    tokens: int | None = None
    cost_usd: float | None = None

    def used_up(self, turns: int, tokens: int, cost_usd: float) -> str:
        """Return in words what is used up; "" if nothing is."""
        return "; ".join(self._reached(1.0, turns, tokens, cost_usd))

    def nearly_used_up(self, turns: int, tokens: int, cost_usd: float) -> str:
        """Return in words what most is used of; "" if there is enough of everything."""
        return "; ".join(self._reached(_WARNED_AT, turns, tokens, cost_usd))

    def told(self) -> str:
        """Return the limits in words; "" if there are none."""
        return ", ".join(
            text
            for limit, text in (
                (self.turns, f"{self.turns} turns"),
                (self.tokens, f"{self.tokens} tokens"),
                (self.cost_usd, f"{self.cost_usd or 0:.2f} USD"),
            )
            if limit is not None
        )

    def _reached(self, share: float, turns: int, tokens: int, cost_usd: float) -> list[str]:
        found = []
        if self.turns is not None and turns >= share * self.turns:
            found.append(f"{turns} of {self.turns} turns used")
        if self.tokens is not None and tokens >= share * self.tokens:
            found.append(f"{tokens} of {self.tokens} tokens used")
        if self.cost_usd is not None and cost_usd >= share * self.cost_usd:
            found.append(f"{cost_usd:.2f} of {self.cost_usd:.2f} USD used")
        return found
