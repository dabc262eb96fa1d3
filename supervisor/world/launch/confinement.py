"""Where a confined session may write, and what must not lie there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from supervisor.world.launch.launcher import LaunchError

_TEMPORARY = (Path("/tmp"), Path("/var/tmp"))  # noqa: S108  - where programs look that are told nothing else


@dataclass(frozen=True, slots=True)
class Apart:
    """What no confined session may write: the `checkout`, and the folder `others` with all sessions' work trees."""

    checkout: Path
    others: Path

    def inside(self, place: Path) -> Path | None:
        """Return which of the two `place` is, or has in it; then it cannot be writable as a whole."""
        real = place.resolve()
        found = (path for path in (self.checkout, self.others) if path.resolve().is_relative_to(real))
        return next(found, None)


def temporary(env: Mapping[str, str]) -> tuple[Path, ...]:
    """Return the folders in which programs with these variables put their temporary files."""
    chosen = env.get("TMPDIR", "")
    if chosen.startswith("/") and Path(chosen).is_dir():
        return (Path(chosen),)
    return tuple(path for path in _TEMPORARY if path.is_dir())


def fault_of_temporary(apart: Apart, env: Mapping[str, str]) -> str:
    """Return why the temporary folders cannot be writable beside what is `apart`, with the way out; "" if they can."""
    for place in temporary(env):
        inside = apart.inside(place)
        if inside is not None:
            return (
                f"a confined session may write temporary files in {place}, and {inside} is in there; set TMPDIR in "
                "its harness's env to a folder that has neither the checkout nor the state directory in it"
            )
    return ""


def writable(
    own: Iterable[Path], extra: Iterable[Path], apart: Apart, env: Mapping[str, str]
) -> tuple[Path, ...]:
    """Return the paths at and below which a confined session may write: its `own`, temporary ones, and `extra` ones.

    Raises:
        LaunchError: one of them has something in it that is to be kept `apart`.
    """
    fault = fault_of_temporary(apart, env)
    if fault:
        raise LaunchError(fault)
    for place in extra:
        inside = apart.inside(place)
        if inside is not None:
            raise LaunchError(
                f"confine_writable names {place}, which has {inside} in it; name folders beside it"
            )
    return tuple(dict.fromkeys((*own, *temporary(env), *extra)))
