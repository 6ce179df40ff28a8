"""One name, wherever it stands: what a text called somebody once it may call them again, whole or in part.

A network sees a few words around a name; here the whole text is looked at. "Ms. Lovelace" after "Ada
Lovelace", 小明 after 李小明: a part stands for the whole where it is written like a name, and is no ordinary
word.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator

from ahocorasick_rs import AhoCorasick, MatchKind

from masquerade.mask.normal import lowered
from masquerade.mask.span import Span, outside
from masquerade.mask.words import Class, cut, is_han

Ordinary = Callable[[str], bool]
"""Whether a form, in lower case, is a word that a text may use without meaning anybody."""

_SHORTEST = {True: 2, False: 3}
"""Characters of what is looked for elsewhere: of Han, and of others."""
_COMPOUND = frozenset(
    (
        "欧阳 司马 上官 诸葛 东方 皇甫 尉迟 公孙 令狐 慕容 司徒 夏侯 长孙 宇文 轩辕 端木 南宫 独孤 西门 "
        "百里 呼延 闻人 赫连 澹台 歐陽 司馬 諸葛 東方 尉遲 公孫 長孫 軒轅 獨孤 西門"
    ).split()
)


def everywhere(text: str, found: list[Span], ordinary: Ordinary) -> list[Span]:
    """``found``, and the same names and their parts wherever else they stand; sorted and disjoint."""
    forms = _forms(text, found, ordinary)
    if not forms:
        return found
    taken = [(span.start, span.end) for span in found]
    ends = [end for _, end in taken]
    more: list[Span] = []
    at = 0
    for form, start, end in _places(text, list(forms)):
        i = bisect_right(ends, start)
        within = i < len(taken) and taken[i][0] <= start and end <= taken[i][1]
        if start >= at and not within and _stands_alone(text, start, end):
            more.append(Span(start, end, *forms[form]))
            at = end
    return sorted([*found, *outside(more, taken, text)]) if more else found


def _forms(text: str, found: Iterable[Span], ordinary: Ordinary) -> dict[str, tuple[str, float]]:
    """What to look for, with the kind and score of whom it names."""
    forms: dict[str, tuple[str, float]] = {}
    for start, end, kind, score in found:
        value = text[start:end]
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
        surname = 2 if value[:2] in _COMPOUND else 1
        given = value[surname:]
        if len(given) == 2 and not ordinary(given):
            yield given
        return
    if value.isalpha():
        return
    words = [word for word in cut(value) if word.made_of is Class.LETTERS]
    for start, end, _ in words if len(words) > 1 else ():
        part = value[start:end]
        if len(part) >= _SHORTEST[False] and part[0].isupper() and not ordinary(lowered(part)):
            yield part


_FEW = 8


def _places(text: str, forms: list[str]) -> Iterator[tuple[str, int, int]]:
    """Where the forms stand, in order, the longest first."""
    if len(forms) <= _FEW:
        hits = [(at, at + len(form), form) for form in forms for at in _starts(text, form)]
        for start, end, form in sorted(hits, key=lambda hit: (hit[0], -hit[1])):
            yield form, start, end
        return
    automaton, all_of_them = AhoCorasick(forms, matchkind=MatchKind.LeftmostLongest), None
    for index, start, end in automaton.find_matches_as_indexes(text):
        form = forms[index]
        yield form, start, end
        if _has_parts(form) and len(form) <= _LONGEST_OVER and not _stands_alone(text, start, end):
            all_of_them = all_of_them or AhoCorasick(forms)
            near = all_of_them.find_matches_as_indexes(text[start : end + _LONGEST_OVER], overlapping=True)
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
