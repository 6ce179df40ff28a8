"""One name, wherever it stands: what a text called somebody once it may call them again, whole or in part.

A network sees a few words around a name; here the whole text is looked at. "Ms. Lovelace" after "Ada
Lovelace", 小明 after 李小明: a part stands for the whole where it is written like a name, and is no ordinary
word.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache

from ahocorasick_rs import AhoCorasick, MatchKind

from masquerade.mask.normal import lowered
from masquerade.mask.people import bare, given
from masquerade.mask.span import Span, outside
from masquerade.mask.words import Class, cut, is_han

Ordinary = Callable[[str], bool]
"""Whether a form, in lower case, is a word that a text may use without meaning anybody."""

_SHORTEST = {True: 2, False: 3}
"""Characters of what is looked for elsewhere: of Han, and of others."""


def everywhere(text: str, found: list[Span], ordinary: Ordinary) -> list[Span]:
    """``found``, and the same names and their parts wherever else they stand; sorted and disjoint."""
    forms = _forms(((text[start:end], kind, score) for start, end, kind, score in found), ordinary)
    if not forms:
        return found
    more = _mentions(text, _search(list(forms))(text), forms, found)
    return sorted([*found, *more]) if more else found


def elsewhere(
    texts: Sequence[str], names: Sequence[list[Span]], taken: Sequence[list[Span]], ordinary: Ordinary
) -> list[list[Span]]:
    """Where in any of ``texts`` the ``names`` that were found in each stand too, or their parts, outside of
    what is ``taken`` there: sorted and disjoint. Time is linear in the texts.

    A form that two names have is the first one's, so that a text that is added changes those before it only
    where a new name stands in them.
    """
    known = (
        (bare(text[start:end]), kind, score)
        for text, spans in zip(texts, names, strict=True)
        for start, end, kind, score in spans
    )
    forms = _forms(known, ordinary)
    if not forms:
        return [[] for _ in texts]
    places = _search(list(forms))
    return [_mentions(text, places(text), forms, spans) for text, spans in zip(texts, taken, strict=True)]


def _mentions(
    text: str, places: Iterable[_Place], forms: dict[str, tuple[str, float]], found: list[Span]
) -> list[Span]:
    taken = [(span[0], span[1]) for span in found]
    ends = [end for _, end in taken]
    more: list[Span] = []
    at = 0
    for form, start, end in places:
        i = bisect_right(ends, start)
        within = i < len(taken) and taken[i][0] <= start and end <= taken[i][1]
        if start >= at and not within and _stands_alone(text, start, end):
            more.append(Span(start, end, *forms[form]))
            at = end
    return outside(more, taken, text) if more else more


def _forms(names: Iterable[tuple[str, str, float]], ordinary: Ordinary) -> dict[str, tuple[str, float]]:
    """What to look for, with the kind and score of whom it names; ``names``: values, kinds and scores."""
    known: dict[tuple[str, str], float] = {}
    for value, kind, score in names:
        if value:
            known.setdefault((value, kind), score)
    forms: dict[str, tuple[str, float]] = {}
    for (value, kind), score in known.items():
        if _says_enough(value, ordinary):
            forms.setdefault(value, (kind, score))
        if kind == "PERSON":
            for part in _parts(value, ordinary):
                forms.setdefault(part, (kind, score))
    return forms


def _says_enough(value: str, ordinary: Ordinary) -> bool:
    return len(value) >= _SHORTEST[is_han(value[0])] and not ordinary(lowered(value))


def _parts(value: str, ordinary: Ordinary) -> Iterator[str]:
    if is_han(value[0]) and all(map(is_han, value)):
        behind = given(value)
        if len(behind) == 2 and not ordinary(behind):
            yield behind
        return
    if value.isalpha():
        return
    words = [word for word in cut(value) if word.made_of is Class.LETTERS]
    for start, end, _ in words if len(words) > 1 else ():
        part = value[start:end]
        if len(part) >= _SHORTEST[False] and part[0].isupper() and not ordinary(lowered(part)):
            yield part


_FEW = 8
_Place = tuple[str, int, int]


def _search(forms: list[str]) -> Callable[[str], Iterable[_Place]]:
    """From a text to where the forms stand in it, in order, the longest first."""
    if len(forms) <= _FEW:
        return lambda text: _one_by_one(text, forms)
    longest = AhoCorasick(forms, matchkind=MatchKind.LeftmostLongest)
    every = cache(lambda: AhoCorasick(forms))
    return lambda text: _at_once(text, forms, longest, every)


def _one_by_one(text: str, forms: list[str]) -> list[_Place]:
    hits = [(form, at, at + len(form)) for form in forms if form in text for at in _starts(text, form)]
    return sorted(hits, key=lambda hit: (hit[1], -hit[2]))


def _at_once(
    text: str, forms: list[str], longest: AhoCorasick, every: Callable[[], AhoCorasick]
) -> Iterator[_Place]:
    for index, start, end in longest.find_matches_as_indexes(text):
        form = forms[index]
        yield form, start, end
        if _has_parts(form) and len(form) <= _LONGEST_OVER and not _stands_alone(text, start, end):
            near = every().find_matches_as_indexes(text[start : end + _LONGEST_OVER], overlapping=True)
            for low, high, i in sorted((a, -b, i) for i, a, b in near if start + a < end):
                yield forms[i], start + low, start - high


_LONGEST_OVER = 64
"""Characters of a form in place of which others are looked for where it is but the beginning of a word."""


def _has_parts(form: str) -> bool:
    """Whether another form may stand in it for itself."""
    return not form.isalpha() or any(map(is_han, form))


def _starts(text: str, form: str) -> Iterator[int]:
    at = text.find(form)
    while at >= 0:
        yield at
        at = text.find(form, at + len(form))


def _stands_alone(text: str, start: int, end: int) -> bool:
    """Whether letters do not go on beside it, as they do within a longer word."""
    return not (
        _goes_on(text[start - 1 : start], text[start]) or _goes_on(text[end : end + 1], text[end - 1])
    )


def _goes_on(beside: str, edge: str) -> bool:
    return bool(beside) and all(
        char == "_" or (char.isalnum() and not is_han(char)) for char in (beside, edge)
    )
