"""Every descendant of the worker, found by descending from it; a sub-reaper loses none of them."""

from __future__ import annotations

import os

from workers.session.proc import Stat, is_alive, read_stat


def descendants(root: int) -> list[Stat]:
    """Return every descendant of `root`, zombies too, parents before their children."""
    children = _children_of if _kernel_lists_children(root) else _children_by_scan()
    found: list[Stat] = []
    seen = {root}
    wanted = [root]
    while wanted:
        for pid in children(wanted.pop()):
            if pid in seen:
                continue
            seen.add(pid)
            stat = read_stat(pid)
            if stat is not None:
                found.append(stat)
                wanted.append(pid)
    return found


def living(root: int) -> list[Stat]:
    """Return the descendants of `root` that still run."""
    return [stat for stat in descendants(root) if is_alive(stat)]


def _kernel_lists_children(root: int) -> bool:
    return os.path.exists(f"/proc/{root}/task/{root}/children")  # absent without CONFIG_PROC_CHILDREN


def _children_of(pid: int) -> list[int]:
    children: list[int] = []
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return children
    for thread in threads:
        try:
            with open(f"/proc/{pid}/task/{thread}/children", "rb", buffering=0) as file:
                children += map(int, (file.readall() or b"").split())
        except OSError:
            continue
    return children


class _children_by_scan:  # noqa: N801  - stands in for the function above on kernels without that file
    """One pass over /proc, answered per parent."""

    __slots__ = ("_by_parent",)

    def __init__(self) -> None:
        self._by_parent: dict[int, list[int]] = {}
        for name in os.listdir("/proc"):
            stat = read_stat(int(name)) if name.isdigit() else None
            if stat is not None:
                self._by_parent.setdefault(stat.parent, []).append(stat.pid)

    def __call__(self, pid: int) -> list[int]:
        return self._by_parent.get(pid, [])
