"""One text of which every name is known."""

from __future__ import annotations

from typing import NamedTuple


class Example(NamedTuple):
    text: str
    spans: tuple[tuple[int, int, str], ...]
    template: str
