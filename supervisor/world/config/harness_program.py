"""Which adapter a configured harness has, and which program it starts."""

from __future__ import annotations

from supervisor.world.config.models import HarnessSettings
from supervisor.world.harness.adapter import Adapter
from supervisor.world.harness.registry import COMMAND, find


def adapter_of(harness: HarnessSettings) -> Adapter:
    """Return who starts the harness.

    Raises:
        AdapterError: what provided the adapter when the configuration was read is gone.
    """
    return find(harness.adapter) if harness.adapter is not None else COMMAND


def reader_of(harness: HarnessSettings) -> Adapter:
    """Return who understands what the harness prints.

    Raises:
        AdapterError: as `adapter_of`.
    """
    return find(harness.parse) if harness.parse is not None else adapter_of(harness)


def first_program(harness: HarnessSettings) -> tuple[str, str]:
    """Return the program that is looked for, and the key of the configuration that names it."""
    if harness.command is not None:
        return harness.command[0], "command"
    if harness.program is not None:
        return harness.program[0], "program"
    return adapter_of(harness).program, "adapter"
