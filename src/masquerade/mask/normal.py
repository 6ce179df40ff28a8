"""Text as the finders read it: one shape for what looks the same, with offsets back to the original.

Full-width and stylised characters become their plain forms (Unicode NFKC), digits of every script become
ASCII digits, dashes become ``-``, odd spaces become a space, and invisible characters vanish. Han, kana,
Hangul and other letters stay as they are, and so does the common punctuation of Chinese.
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import TypeVar

from masquerade.mask import native

T = TypeVar("T")

_DASHES = "\u2010\u2011\u2012\u2013\u2212\ufe58\ufe63\uff0d"
_FILLERS = "\u115f\u1160\u17b4\u17b5\u3164\uffa0\u034f"
_GONE = "\u200b"
"""Stands for a character that vanishes or grows, until the slow path has dealt with it."""

# What the mapping below leaves alone and ordinary text is made of; a test checks each character of it.
USUAL = (
    "\x00-\x7f\u00a1-\u00a7\u00a9\u00ab\u00ac\u00ae\u00b0\u00b1\u00b6\u00b7\u00bb\u00bf\u00c0-\u0131\u0134-\u013e"
    "\u0141-\u0148\u014a-\u017e\u0391-\u03a1\u03a3-\u03c9\u0400-\u045f"
    "\u2014\u2015\u2018-\u201d\u2022\u3001-\u3003\u3008-\u3011\u3014-\u301b"
    "\u3041-\u3096\u30a1-\u30fa\u30fc\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3"
    "\uff01\uff08\uff09\uff0c\uff1a\uff1b\uff1f"
)
_PLAIN = USUAL + "\U0001f300-\U0001f5ff\U0001f600-\U0001f64f"
_UNUSUAL = re.compile(f"[^{_PLAIN}]")
_KEPT = re.compile(f"[{_PLAIN}]")


def _plain(char: str) -> str:
    """The plain form of one character: itself, another, none, or several."""
    if _KEPT.match(char):
        return char
    if char in _DASHES:
        return "-"
    category = unicodedata.category(char)
    if (
        category == "Cf"
        or char in _FILLERS
        or "\ufe00" <= char <= "\ufe0f"
        or "\U000e0100" <= char <= "\U000e01ef"
    ):
        return ""
    if category == "Nd":
        return str(unicodedata.decimal(char))
    if category == "Zs":
        return " "
    if category == "Cs":
        return "\ufffd"  # half a character: no encoder takes it
    folded = unicodedata.normalize("NFKC", char)
    if len(folded) == 1:
        return folded
    return folded if folded.isascii() else char


MOST_CHARACTERS = 1 << 16
"""Characters that a table filled as they are met holds at most: a text of all there are must not stay."""


class Characters(dict[int, T]):
    """What ``read`` makes of each character, by its code point; filled as characters are met."""

    def __init__(self, read: Callable[[str], T]) -> None:
        super().__init__()
        self._read = read

    def __missing__(self, code: int) -> T:
        if len(self) >= MOST_CHARACTERS:
            self.clear()
        made = self[code] = self._read(chr(code))
        return made


_FORMS = Characters(_plain)
_TABLE = Characters(lambda char: form if len(form := _plain(char)) == 1 else _GONE)
"""For ``str.translate``: every character to one."""


def is_plain(text: str) -> bool:
    """Whether ``text`` is in plain form already: nothing in it stands for other characters."""
    return text.isascii() or _UNUSUAL.search(text) is None


class Normal:
    """A text in plain form. ``text`` is what the finders read; ``original`` maps a place in it back."""

    __slots__ = ("_offsets", "text")

    def __init__(self, text: str) -> None:
        self._offsets: Sequence[int] | None = None
        if is_plain(text):
            self.text = text
            return
        built = native.module()
        if built:
            self.text, offsets = built.plain(text, _FORMS)
            self._offsets = offsets and array("q", offsets)
            return
        plain = text.translate(_TABLE)
        if _GONE not in plain:
            self.text = plain
            return
        pieces = [char if char != _GONE else _plain(text[i]) for i, char in enumerate(plain)]
        self._offsets = [i for i, piece in enumerate(pieces) for _ in piece]
        self.text = "".join(pieces)

    @property
    def same_offsets(self) -> bool:
        """Whether every offset here is the same in the original."""
        return self._offsets is None

    def original(self, start: int, end: int) -> tuple[int, int]:
        """Offsets in the original of the non-empty range ``[start, end)`` here."""
        if self._offsets is None:
            return start, end
        return self._offsets[start], self._offsets[end - 1] + 1

    def here(self, offset: int) -> int:
        """The first place here that stands at or after ``offset`` in the original."""
        return offset if self._offsets is None else bisect_left(self._offsets, offset)


def lowered(text: str) -> str:
    """``text`` in lower case, character for character: the length never changes."""
    low = text.lower()
    if len(low) == len(text):
        return low
    return "".join(c if len(c.lower()) != 1 else c.lower() for c in text)
