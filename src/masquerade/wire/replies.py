"""A walk over replies: every text in them is restored, wherever a model writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from json.encoder import encode_basestring
from typing import Any, NamedTuple, TypeAlias

import orjson

from masquerade.errors import UpstreamProblem

Step: TypeAlias = "str | int"
Move: TypeAlias = Callable[[tuple[Step, ...], int], int]
"""Where a character now stands of the text beside which an annotation stands; and the path of these two."""
Restore: TypeAlias = Callable[[tuple[Step, ...], str], str]
"""Restores one text (or one more piece of it) that stands at a path; elements of lists by their ``index``."""


class Written(NamedTuple):
    """What a model writes in replies of one kind, by the names of fields."""

    kept: frozenset[str]
    """Fields in which no model writes text, or whose bytes its maker signs: they pass."""
    objects: frozenset[str] = frozenset()
    """Fields whose values are the model's own objects: every string and key below them is restored."""
    told: frozenset[str] = frozenset()
    """Types of objects that are a step of the paths below them, where they decide how a text is restored."""
    signed: Mapping[str, tuple[str, ...]] = {}
    """Objects, by their ``type``, that go back to the service byte for byte, and so pass as they are: all, or
    those that have one of these fields."""


Called: TypeAlias = Callable[[tuple[Step, ...], str, dict[str, Any]], None]
"""Is told that what stands below a path is a call of the tool of this name: the object there."""

CALLED_WITH = frozenset({"arguments", "input", "action", "operation", "code"})
"""What holds that with which a tool is called."""


_NAMED = frozenset({"function_call", "custom_tool_call", "mcp_call"})


def tool_of(node: dict[str, Any]) -> str | None:
    """The tool that an object of a reply calls; None if it calls none.

    A tool of the service's own has no name: it is called as its type, without ``_call``.
    """
    if CALLED_WITH.isdisjoint(node):
        return None
    name, kind = node.get("name"), node.get("type")
    if type(name) is str and name:
        return name
    its_own = type(kind) is str and kind.endswith("_call") and kind not in _NAMED
    return str(kind).removesuffix("_call") if its_own else None


def restore_texts(
    node: Any,
    restore: Restore,
    written: Written,
    path: tuple[Step, ...] = (),
    move: Move | None = None,
    called: Called | None = None,
) -> bool:
    """Restore every text under ``node`` in place; whether anything changed.

    Log probabilities spell the stand-ins piece by piece, so they become null, a list of them empty.
    Annotations say where in the text they belong, so their offsets go through ``move``; ``called`` is told
    of calls of tools before what stands in them is restored.

    Raises:
        UpstreamProblem: it is nested too deeply.
    """
    try:
        return _restore(node, restore, written, path, move, called)
    except RecursionError:
        raise UpstreamProblem("the model service's reply is nested too deeply") from None


def _restore(
    node: Any,
    restore: Restore,
    written: Written,
    path: tuple[Step, ...],
    move: Move | None,
    called: Called | None,
) -> bool:
    changed = False
    listed = type(node) is list
    if not listed and type(told := node.get("type")) is str and told in written.told:
        path = (*path, told)
    if called is not None and not listed and (tool := tool_of(node)) is not None:
        called(path, tool, node)
    items = enumerate(node) if listed else node.items()
    for key, value in items:
        kind = type(value)
        if kind is str:
            if not value or key in written.kept:
                continue
            new = restore((*path, key), value)
            if new != value:
                node[key] = new
                changed = True
        elif kind is dict or kind is list:
            if kind is dict and written.signed and _is_signed(value, written):
                continue
            if key == "logprobs":
                if value != []:
                    node[key] = None if kind is dict else []
                    changed = True
            elif key in written.objects:
                changed |= _restore_object(value, restore, (*path, key))
            elif key not in written.kept:
                step = index_of(value, key) if listed and kind is dict else key
                changed |= _restore(value, restore, written, (*path, step), move, called)
    if move is not None and not listed and type(node.get("annotations")) is list:
        changed |= move_offsets(node["annotations"], lambda offset: move(path, offset))
    return changed


def _is_signed(value: dict[str, Any], written: Written) -> bool:
    name = value.get("type")
    by = written.signed.get(name) if type(name) is str else None
    return by is not None and (not by or any(map(value.get, by)))


def _restore_object(node: Any, restore: Restore, path: tuple[Step, ...]) -> bool:
    """Restore every string and key under ``node`` in place; whether anything changed."""
    changed = False
    if type(node) is dict and node:
        keys = [restore((*path, "key"), key) for key in node]
        if keys != list(node) and len(set(keys)) == len(keys):
            values = list(node.values())
            node.clear()
            node.update(zip(keys, values, strict=True))
            changed = True
    for key, value in list(enumerate(node) if type(node) is list else node.items()):
        if type(value) is str:
            new = restore((*path, key), value)
            if new != value:
                node[key] = new
                changed = True
        elif type(value) in (dict, list):
            changed |= _restore_object(value, restore, (*path, key))
    return changed


def index_of(part: dict[str, Any], otherwise: int = 0) -> int:
    """Which of its kind a choice or tool call of a reply says that it is."""
    index = part.get("index")
    return index if type(index) is int else otherwise


def move_offsets(node: Any, move: Callable[[int], int]) -> bool:
    """Change every offset under ``node`` in place; whether anything changed."""
    changed = False
    for key, value in list(enumerate(node) if type(node) is list else node.items()):
        if key in ("start_index", "end_index") and type(value) is int:
            node[key] = new = move(value)
            changed |= new != value
        elif type(value) in (dict, list):
            changed |= move_offsets(value, move)
    return changed


def escape_json(text: str) -> str:
    """``text`` as it stands inside a JSON string, without the quotation marks."""
    return encode_basestring(text)[1:-1]


def read_reply(body: bytes) -> dict[str, Any]:
    """A reply, or an event of one, as a tree.

    Raises:
        UpstreamProblem: it is not a JSON object.
    """
    try:
        tree = orjson.loads(body)
    except orjson.JSONDecodeError:
        tree = None
    if type(tree) is not dict:
        raise UpstreamProblem("the model service's reply is not a JSON object") from None
    return tree


def write_reply(tree: dict[str, Any]) -> bytes:
    """The inverse of :func:`read_reply`.

    Raises:
        UpstreamProblem: it is nested too deeply.
    """
    try:
        return orjson.dumps(tree)
    except orjson.JSONEncodeError:  # it reads deeper than it writes
        raise UpstreamProblem("the model service's reply is nested too deeply") from None
