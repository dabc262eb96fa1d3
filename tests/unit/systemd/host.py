"""A host whose commands are only noted, and an installation on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from supervisor.world.systemd.install.account import Account
from supervisor.world.systemd.install.apply import apply_install
from supervisor.world.systemd.install.plan import plan_install
from supervisor.world.systemd.install.runner import Done

CONFIG = '[supervisor]\nruntime_dir = "/run/leasehold"\nstate_dir = "/var/lib/leasehold"\n[harness.a]\ncommand = "true"\n'


DEV = Account("dev", "dev", Path("/home/dev"), "/bin/bash", 4242, frozenset({4242}))


@dataclass
class Host:
    """A host on which commands succeed, but for those that a test gives another end."""

    ends: dict[str, Done] = field(default_factory=dict)
    ran: list[str] = field(default_factory=list)

    def __call__(self, argv: Sequence[str], seconds: float) -> Done:
        line = " ".join(argv).replace(" --no-ask-password", "")
        assert seconds > 0
        self.ran.append(line)
        return next((done for part, done in self.ends.items() if part in line), Done(0, ""))


def installed(site, wanted) -> None:
    apply_install(plan_install(site, wanted, running=False), Host())
