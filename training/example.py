"""A text, and where names stand in it."""

from __future__ import annotations

from typing import NamedTuple


class Example(NamedTuple):
    """Spans are (start, end, kind): characters, end exclusive, sorted, disjoint."""

    text: str
    spans: tuple[tuple[int, int, str], ...]
    template: str
    """What it was made from, so that some can be held out."""
