"""Many scopes of one repository, asked about many paths: single files are found at once, the rest one by one."""

from __future__ import annotations

from collections.abc import Iterable

from supervisor.core.leases.scope import Kind, Scope, covers_key, path_key


class Coverage:
    """What a set of scopes covers. A guarded session may hold thousands of single files."""

    __slots__ = ("_files", "_fold_case", "_rest")

    def __init__(self, scopes: Iterable[Scope], *, fold_case: bool = False) -> None:
        self._fold_case = fold_case
        self._files: set[str] = set()
        self._rest: list[Scope] = []
        for scope in scopes:
            if scope.kind is Kind.FILE:
                self._files.add(scope.key)
            else:
                self._rest.append(scope)

    def __contains__(self, path: str) -> bool:
        """Tell whether the repository-relative path belongs to one of them."""
        key = path_key(path, fold_case=self._fold_case)
        return key in self._files or any(covers_key(scope, key) for scope in self._rest)
