"""Work that goes on beside an answer: a task of the daemon's own group, which owns it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

Spawn = Callable[[Callable[[], Coroutine[Any, Any, None]]], None]
