"""A set of fencing tokens, packed: those of one storm of leases lie close together, so most cost one bit."""

from __future__ import annotations

_PAGE = 8  # a page has 2 ** 8 tokens
_WITHIN = (1 << _PAGE) - 1
_MOST = 4_096  # pages; 100 bytes each


class Tokens:
    """Tokens that something is remembered of: of the latest million, or a few thousand where they lie far apart."""

    __slots__ = ("_pages", "newest")

    def __init__(self) -> None:
        self._pages: dict[int, int] = {}
        self.newest = 0

    def __bool__(self) -> bool:
        return bool(self._pages)

    def __contains__(self, token: object) -> bool:
        return isinstance(token, int) and self._pages.get(token >> _PAGE, 0) >> (token & _WITHIN) & 1 == 1

    def add(self, token: int) -> None:
        """Put a token in."""
        self.newest = max(self.newest, token)
        page = token >> _PAGE
        if page not in self._pages and len(self._pages) >= _MOST:
            del self._pages[next(iter(self._pages))]
        self._pages[page] = self._pages.get(page, 0) | 1 << (token & _WITHIN)
