"""Everything that ties this process to the service manager that started it, taken once, at the start."""

from __future__ import annotations

import time
from collections.abc import MutableMapping
from dataclasses import dataclass, field

from supervisor.world.systemd.listen import Handed, take_handed
from supervisor.world.systemd.notify import Notifier, watchdog_seconds

_AGAIN = 5.0  # seconds between two starts that fail


@dataclass(slots=True)
class Attached:
    """A voice to the manager, how often it wants to hear it (seconds; `None`: never), and what it handed over."""

    notifier: Notifier = field(default_factory=lambda: Notifier(None))
    watchdog: float | None = None
    handed: Handed = field(default_factory=Handed)

    def give_up(self, why: str) -> None:
        """Tell the manager why this start failed, and do not let it try again at once.

        The manager starts a service that was killed within an instant, as it should; a fault that only a
        person can mend would then fill the log and a processor.
        """
        if self.notifier.status(f"cannot run: {why}"):
            time.sleep(_AGAIN)


def attach(environ: MutableMapping[str, str], pid: int) -> Attached:
    """Return what ties process `pid` to its manager; the variables are taken out, so that no child has them."""
    return Attached(Notifier.taken_from(environ), watchdog_seconds(environ, pid), take_handed(environ, pid))
