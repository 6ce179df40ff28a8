"""What a generator of training text yields."""

from typing import NamedTuple


class Example(NamedTuple):
    """A text and where its entities lie.

    Spans are (start, end, kind): character offsets, end exclusive, sorted, disjoint. The template is a stable
    name of the template that the text was made from, so that some can be held out.
    """

    text: str
    spans: tuple[tuple[int, int, str], ...]
    template: str
