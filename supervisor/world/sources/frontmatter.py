"""The YAML block at the head of a Markdown file: found, bounded, and read without trusting it."""

from __future__ import annotations

import re
from typing import Any

import yaml

from supervisor.world.sources.values import Refused, plain, shown

# The C loader is an order of magnitude faster; PyYAML is also built without it.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_OPENING = re.compile(r"---[ \t]*\n")
_CLOSING = re.compile(r"^(?:---|\.\.\.)[ \t]*$", re.MULTILINE)
_HEADING = re.compile(r"^#[ \t]+(.+?)[ \t]*#*$", re.MULTILINE)
_FENCE = re.compile(r"^(?:```|~~~)", re.MULTILINE)
_LARGEST = 256 * 1024  # bytes
_DEEPEST = 16  # nested lists and mappings; a task has two
_OTHERS = "correct the YAML; the other tasks are not affected"


def split(text: str) -> tuple[str, str] | None:
    """Return the YAML and the body of a Markdown text, or `None` if it has no front matter.

    Raises:
        Refused: the front matter is never closed, or is too large.
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    opening = _OPENING.match(text)
    if opening is None:
        return None
    closing = _CLOSING.search(text, opening.end())
    if closing is None:
        raise Refused(
            'the front matter opened by "---" on line 1 is never closed',
            'add a line "---" after the last key',
        )
    block = text[opening.end() : closing.start()]
    if len(block.encode()) > _LARGEST:
        raise Refused(f"the front matter is larger than {_LARGEST // 1024} KiB", "move the text below it")
    return block, text[closing.end() :].strip()


def load(block: str) -> dict[Any, Any]:
    """Return the mapping that the YAML `block` of a file stands for; an empty block is an empty mapping.

    Raises:
        Refused: it is not YAML, not a mapping, gives a key twice, or uses aliases (a few lines of
            them can stand for gigabytes) or tags of a language.
    """
    try:
        return _load(block)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f" (line {mark.line + 2})" if mark is not None else ""
        raise Refused(f"broken front matter{line}: {plain(str(error.problem))[:200]}", _OTHERS) from None
    except yaml.YAMLError as error:
        raise Refused(f"broken front matter: {plain(str(error)).splitlines()[0][:200]}", _OTHERS) from None
    except (ValueError, OverflowError) as error:
        # A date such as 2026-02-30 is found out by Python's own constructors.
        raise Refused(f"broken front matter: {plain(str(error))[:200]}", _OTHERS) from None
    except RecursionError:
        raise Refused("broken front matter: nested too deeply", _OTHERS) from None


def heading(body: str) -> str | None:
    """Return the text of the first "# " heading of `body` before any code block."""
    fence = _FENCE.search(body)
    found = _HEADING.search(body, 0, fence.start() if fence else len(body))
    return found[1] if found else None


def _load(block: str) -> dict[Any, Any]:
    _bound_nesting(block)
    loader = _Loader(block)
    try:
        node = loader.get_single_node()
        if node is None:
            return {}
        _check(node)
        found = loader.construct_document(node)
    finally:
        loader.dispose()
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise Refused(f"the front matter is {shown(found)}, not keys and values", 'write "key: value" lines')
    return found


def _bound_nesting(block: str) -> None:
    """Refuse what is nested deeply before a tree is built of it: building is recursive C code.

    The events arrive one after another, so this itself needs no depth. A short block cannot be deep.
    """
    if len(block) < 512:
        return
    depth = 0
    for event in yaml.parse(block, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _DEEPEST:
                raise Refused(f"the front matter is nested more than {_DEEPEST} deep", _OTHERS)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _check(root: yaml.Node) -> None:
    seen: set[int] = set()
    pending = [root]
    while pending:
        node = pending.pop()
        if id(node) in seen:
            line = node.start_mark.line + 2
            raise Refused(
                f'the front matter uses a YAML alias ("*name") of line {line}', "write the value out"
            )
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            pending.extend(part for pair in node.value for part in pair)
        elif isinstance(node, yaml.SequenceNode):
            pending.extend(node.value)
    if isinstance(root, yaml.MappingNode):
        _check_keys(root)


def _check_keys(root: yaml.MappingNode) -> None:
    """Refuse a key given twice: YAML would let the last one win without a word."""
    keys: set[object] = set()
    for key, _ in root.value:
        if isinstance(key, yaml.ScalarNode):
            if key.value in keys:
                line = key.start_mark.line + 2
                raise Refused(f"the key {shown(key.value)} is given twice (line {line})", "keep one of them")
            keys.add(key.value)
