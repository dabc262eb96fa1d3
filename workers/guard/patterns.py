"""What git's ignore rules could match at all: most paths match none, and then git need not be asked.

gitignore(5). Sound in one direction only: a path that is surely no match is none for git either.
"""

from __future__ import annotations

_GLOBS = b"*?["
_NOT_PLAIN = (b"[", b"!", b"^", b"-", b":")  # what makes brackets more than a list of characters


class Patterns:
    """The last components of all patterns of a rule file, as conditions on the components of a path.

    `rules` is the file's content.
    """

    __slots__ = ("_any", "_ends", "_names", "_pairs")

    def __init__(self, rules: bytes = b"") -> None:
        self._names: set[bytes] = set()
        self._ends: tuple[bytes, ...] = ()  # of `*.log`: how a component ends
        self._pairs: list[tuple[bytes, bytes]] = []  # of `cache-*.bin`: how it begins and ends
        self._any = False  # a pattern that could match anything, or that is not understood here
        for line in rules.removeprefix(b"\xef\xbb\xbf").split(b"\n"):
            pattern = line.removesuffix(b"\r").lower()  # a file system may fold case
            if not pattern or pattern.startswith((b"#", b"!")):
                continue
            whole = pattern.rstrip(b"/")
            if b"\\" in pattern or pattern != pattern.strip() or (b"[" in whole and b"/" in whole):
                self._any = True  # escapes, blanks that count or do not, a slash between brackets
                continue
            self._take(whole.rpartition(b"/")[2])

    def _take(self, name: bytes) -> None:
        start, end = name.find(b"["), name.find(b"]", name.find(b"[") + 2)
        inner = name[start + 1 : end] if 0 <= start < end else b""
        if inner and not any(special in inner for special in _NOT_PLAIN):
            for at in range(len(inner)):  # `*.py[cod]` is `*.pyc`, `*.pyo` and `*.pyd`
                self._take(name[:start] + inner[at : at + 1] + name[end + 1 :])
            return
        self._condition(name)

    def _condition(self, name: bytes) -> None:
        globs = [name.find(bytes([glob])) for glob in _GLOBS if bytes([glob]) in name]
        if not globs:
            self._names.add(name or b"/")  # no component is a slash: "/" alone matches nothing
            return
        end = b"" if b"[" in name else name[max(name.rfind(b"*"), name.rfind(b"?")) + 1 :]
        begin = name[: min(globs)]
        if begin:
            self._pairs.append((begin, end))
        elif end:
            self._ends = (*self._ends, end)
        else:
            self._any = True

    def is_empty(self) -> bool:
        """Tell whether there is no pattern at all."""
        return not (self._any or self._names or self._ends or self._pairs)

    def may_match(self, path: bytes) -> bool:
        """Tell whether a pattern could match the path or a folder that it lies in."""
        if self._any:
            return True
        for name in path.lower().split(b"/"):
            if name in self._names or (self._ends and name.endswith(self._ends)):
                return True
            for begin, end in self._pairs:
                if name.startswith(begin) and name.endswith(end):
                    return True
        return False
