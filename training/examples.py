"""What the network is trained on: corpora, the same with other names in them, and made-up texts."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator
from itertools import chain, islice

from training import chinese, corpora, english
from training.example import Example

_AS_MANY = 6
"""Times that a name of the prose is drawn as often as one that was made up."""

_NOTHING = "\0"
"""What a masker writes where it found something already."""


def trained_on(seed: int, made_up: int) -> Iterator[Example]:
    """All examples of a training, in no order; ``made_up`` texts of each language's grammar."""
    draw = random.Random(seed)
    real, known = _real(), _made_up()
    real += corpora.prose()
    yield from real
    yield from known
    others = Others(draw)
    for _ in range(5):
        yield from (others.swapped(example) for example in real)
    yield from (others.swapped(example) for example in draw.sample(known, len(known) // 2))
    for grammar in (english, chinese):
        yield from islice(grammar.examples(draw), made_up)
    yield from (recased(example, draw) for example in draw.sample(real, len(real) // 4))
    yield from (covered(example, draw) for example in draw.sample(real + known, len(real) // 4))


def _real() -> list[Example]:
    return [example for name in corpora.TRAINED for example in corpora.load(name)]


def _made_up() -> list[Example]:
    return [
        example for name in corpora.MADE_UP for example in corpora.load(name) if not corpora.held_out(example)
    ]


class Others:
    """Other names in the place of those that stand in a text."""

    def __init__(self, draw: random.Random) -> None:
        self._draw = draw
        self._pools: dict[tuple[str, bool], list[str]] = {}
        made_up = (islice(grammar.examples(draw), 20_000) for grammar in (english, chinese))
        for example in chain(*made_up, corpora.prose() * _AS_MANY):
            for start, end, kind in example.spans:
                value = example.text[start:end]
                self._pools.setdefault((kind, _is_han(value)), []).append(value)

    def swapped(self, example: Example) -> Example:
        """Most names replaced by others of their kind, in as many words and the same case."""
        parts, spans, at = [], [], 0
        length = 0
        for start, end, kind in example.spans:
            value = example.text[start:end]
            new = self._other(value, kind) if self._draw.random() < 0.7 else value
            parts += [example.text[at:start], new]
            length += start - at
            spans.append((length, length + len(new), kind))
            length += len(new)
            at = end
        return Example("".join([*parts, example.text[at:]]), tuple(spans), example.template)

    def _other(self, value: str, kind: str) -> str:
        if not re.fullmatch(r"[^\W\d_]+(?:[ ·.'-]+[^\W\d_]+)*", value):
            return value  # a handle, an abbreviation, a name with digits: others would not stand there
        pool = self._pools.get((kind, _is_han(value)), [])
        for _ in range(12 if pool else 0):
            other = self._draw.choice(pool)
            if abs(len(other.split()) - len(value.split())) <= 0 and abs(len(other) - len(value)) < 12:
                return other.upper() if value.isupper() and len(value) > 3 else _low(value, other)
        return value


def _low(value: str, other: str) -> str:
    low = other.lower()
    return low if value.islower() and len(low) == len(other) else other


def _is_han(value: str) -> bool:
    return "\u3400" <= value[:1] <= "\u9fff"


def recased(example: Example, draw: random.Random) -> Example:
    """All small, or all capitals."""
    text = example.text.lower() if draw.random() < 0.65 else example.text.upper()
    return example._replace(text=text) if len(text) == len(example.text) else example


def covered(example: Example, draw: random.Random) -> Example:
    """Some names are covered already: what is left is to be found all the same."""
    text, left = example.text, []
    for start, end, kind in example.spans:
        if draw.random() < 0.5:
            text = text[:start] + _NOTHING * (end - start) + text[end:]
        else:
            left.append((start, end, kind))
    return Example(text, tuple(left), example.template)


def measured_on() -> Iterable[tuple[str, list[Example]]]:
    """Texts that were never trained on, by name; some that a corpus has twice are left out for that."""
    seen = {example.text.strip() for example in _real() + _made_up()}
    for name in corpora.MEASURED:
        yield name, [example for example in corpora.load(name) if example.text.strip() not in seen]
    for name in corpora.MADE_UP:
        yield (
            name,
            [
                example
                for example in corpora.load(name)
                if corpora.held_out(example) and example.text.strip() not in seen
            ],
        )
    yield "zh_addresses", corpora.addresses()


def names_trained_on() -> frozenset[str]:
    """All names of corpora that are trained on, in small: who makes up texts from a list repeats himself."""
    return frozenset(
        example.text[start:end].lower()
        for example in _real() + _made_up()
        for start, end, kind in example.spans
        if kind in corpora.KINDS
    )
