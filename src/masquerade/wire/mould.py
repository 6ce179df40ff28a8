"""Most chunks of a stream differ in one text only: a mould is what stays the same around it.

The first chunk of its kind is read as a whole, and gives the mould; a later one whose bytes are the same but
for that text need not be parsed or written again. A mould holds only for bytes of which it is proven: what
stands in the gap is itself a JSON string, so the whole reads as the first chunk did, but for this text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import orjson

from masquerade.errors import UpstreamProblem
from masquerade.wire.replies import Step, Written, index_of, restore_texts

_PROBE = "\u00bf0"  # beyond ASCII, so that no form of another text reads like it
_LITERAL = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.S)
_PADDING = re.compile(rb'"obfuscation":\s*"([0-9A-Za-z]*)"')
"""A service may add random letters to every chunk, so that its length says nothing."""
_PLACES = 8
_ALONE = (("content",), ("text",))


class Mould(NamedTuple):
    """The bytes of a chunk before its text (quotation mark included) and after it, up to the padding, and
    after that (None: there is no padding); where the text belongs; and whether the chunk says nothing
    without it."""

    head: bytes
    tail: bytes
    after: bytes | None
    path: tuple[Step, ...]
    may_go: bool

    def read(self, data: bytes) -> str | None:
        """The text, if ``data`` fits; None if it is another kind of chunk."""
        if not data.startswith(self.head):
            return None
        start = len(self.head) - 1
        if self.after is None:
            if not data.endswith(self.tail):
                return None
            end = len(data) - len(self.tail)
        else:
            end = self._end(data)
        if end <= start:
            return None
        try:
            text = orjson.loads(data[start : end + 1])
        except orjson.JSONDecodeError:
            return None
        return text if type(text) is str else None

    def written(self, data: bytes, text: str) -> bytes:
        """The event that ``data`` becomes with another ``text``."""
        tail = data[self._end(data) :] if self.after is not None else self.tail
        return b"data: " + self.head + orjson.dumps(text)[1:-1] + tail + b"\n\n"

    def _end(self, data: bytes) -> int:
        """Where the text ends; 0 if what follows is not as it was, padding aside."""
        match = _LITERAL.match(data, len(self.head))
        end = match.end() if match else 0
        tail, after = data[end:], self.after or b""
        padding = tail[len(self.tail) : len(tail) - len(after)]
        fits = (
            tail.startswith(self.tail) and tail.endswith(after) and len(tail) >= len(self.tail) + len(after)
        )
        return end if fits and (not padding or padding.isalnum()) else 0


def mould_of(
    data: bytes, written: Written, opened: Callable[[dict[str, Any]], None] = lambda choice: None
) -> Mould | None:
    """The mould of a chunk in one line with one choice, one text and no reason to stop, or None; ``opened``
    gives a choice its ``delta`` where it has none."""
    tree = _chunk(data, opened)
    texts = _texts(tree, written)
    if len(texts) != 1 or b'"annotations"' in data or b"\n" in data:
        return None
    (path,) = texts
    if type(path[-1]) is not str or path[-1] == "name":
        return None
    places = re.finditer(rb'"' + re.escape(path[-1].encode()) + rb'"\s*:\s*"', data)
    for place, _ in zip(places, range(_PLACES), strict=False):
        start = place.end()
        literal = _LITERAL.match(data, start)
        if literal is None or data[literal.end() : literal.end() + 1] != b'"':
            continue
        head, tail, after = data[:start], data[literal.end() :], None
        if found := _PADDING.search(tail):
            tail, after = tail[: found.start(1)], tail[found.end(1) :]
        probe = b"".join((head, _PROBE.encode(), tail, b"0" * (after is not None), after or b""))
        probed = _chunk(probe, opened)
        if _texts(probed, written) == {path: _PROBE} and (after is None or probed.get("obfuscation") == "0"):
            return Mould(head, tail, after, path, path[1:] in _ALONE and _is_alone(tree))
    return None


def _chunk(data: bytes, opened: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """A chunk as a tree; an empty one, if it is none of those that have a mould."""
    try:
        tree: Any = orjson.loads(data)
    except orjson.JSONDecodeError:
        return {}
    choices = tree.get("choices") if type(tree) is dict else None
    choice = choices[0] if type(choices) is list and len(choices) == 1 else None
    if type(choice) is not dict:
        return {}
    opened(choice)
    if type(choice.get("delta")) is not dict:
        return {}
    if choice.get("finish_reason") is not None or choice.get("logprobs") is not None:
        return {}
    return tree  # type: ignore[no-any-return]


def _texts(tree: dict[str, Any], written: Written) -> dict[tuple[Step, ...], str]:
    """The texts of a chunk by their paths; none if two have the same, or if not only texts would change."""
    if not tree:
        return {}
    (choice,) = tree["choices"]
    texts: dict[tuple[Step, ...], str] = {}
    twice = False

    def take(path: tuple[Step, ...], text: str) -> str:
        nonlocal twice
        twice = twice or path in texts
        texts[path] = text
        return text

    try:
        changed = restore_texts(choice["delta"], take, written, (index_of(choice),))
    except UpstreamProblem:  # nested too deeply
        return {}
    return {} if changed or twice else texts


def _is_alone(tree: dict[str, Any]) -> bool:
    """Whether a chunk says nothing but its content."""
    return not tree.get("usage") and list(tree["choices"][0]["delta"]) in (["content"], ["text"])
