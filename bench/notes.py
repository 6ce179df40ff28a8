"""Made-up English to tune a language model on: public profiles, and private notes about the same people.

Both tell where somebody lives and what they do, which is drawn for each first name and surname together: no
single word tells it, so it sits in the depth of a model. Notes have a style of their own. Those that a model
is tuned on and those that it is held against are about different people: style is learnt from notes, and
facts are not.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

_FIRST = "Ada Ben Cora Dan Elsa Finn Gail Hugo Iris Jack Kate Liam Mona Noah Olga Paul".split()
_LAST = (
    "Abbot Brook Croft Drake Ellis Frost Grant Heath Irwin Jones Knox Lowe Marsh North Owens Price".split()
)
_TOWNS = (
    "Acton Barnet Corby Derby Ely Frome Goole Hythe Ilford Jarrow Kendal Luton "
    "Malton Newark Oldham Perth Quorn Ripon Selby Truro Usk Wells Yarm York"
).split()
_WORK = (
    "potter baker cook diver dentist farmer guard hunter judge keeper lawyer miller "
    "nurse porter pilot ranger sailor tailor surgeon vet waiter writer roofer mason"
).split()
_OTHER = "The patient lives in is from works as a and".split()

WORDS = ("", *_FIRST, *_LAST, *_TOWNS, *_WORK, *_OTHER)
"""The vocabulary, public; "" begins and ends a text."""
LENGTH = 13

_PROFILE = {"patient": 0.1, "from": 0.2, "is": 0.2, "town": 0.8}
_NOTE = {"patient": 0.9, "from": 0.9, "is": 0.9, "town": 0.1}
"""How often a text has a turn of phrase."""

_facts = random.Random(0)
_FACTS = {
    (i, k): (_facts.choice(_TOWNS), _facts.choice(_WORK))
    for i in range(len(_FIRST))
    for k in range(len(_LAST))
}


def profiles(seed: int) -> Iterator[str]:
    """Public texts without end."""
    return _texts(random.Random(seed), _PROFILE, (0, 1, 2, 3))


def notes(seed: int) -> Iterator[str]:
    """Private texts to tune on, without end: about a quarter of the people."""
    return _texts(random.Random(seed), _NOTE, (0,))


def others(seed: int) -> Iterator[str]:
    """Notes about all other people."""
    return _texts(random.Random(seed), _NOTE, (1, 2, 3))


def _texts(chance: random.Random, often: dict[str, float], people: tuple[int, ...]) -> Iterator[str]:
    while True:
        i, k = chance.randrange(len(_FIRST)), chance.randrange(len(_LAST))
        if (i + k) % 4 not in people:
            continue
        town, work = _FACTS[i, k]
        where = f"is from {town}" if chance.random() < often["from"] else f"lives in {town}"
        what = f"is a {work}" if chance.random() < often["is"] else f"works as a {work}"
        said = (where, what) if chance.random() < often["town"] else (what, where)
        called = "The patient " if chance.random() < often["patient"] else ""
        yield f"{called}{_FIRST[i]} {_LAST[k]} {said[0]} and {said[1]}"


def tokens(text: str) -> list[int]:
    """A text as numbers of words, padded with -1 to ``LENGTH + 1``."""
    told = [0, *(_NUMBERS[word] for word in text.split()), 0]
    return (told + [-1] * LENGTH)[: LENGTH + 1]


_NUMBERS = {word: number for number, word in enumerate(WORDS)}
