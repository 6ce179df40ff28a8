"""The words of a text, and what is to be seen of each: the reference that the native part is held to.

A word is a run of letters, a run of digits, a Han or kana character, or any other character but a space. What
is seen of it are rows of a table, whose sum is what the network of ``names.py`` is given: the form, spelled
in whole, by its ends and by every three letters (Bojanowski et al., "Enriching Word Vectors with Subword
Information", 2017); its neighbours, for Han; capitals; the space before it; and in which lists it stands, as
a word or as part of an entry (Ma et al., "Simplify the Usage of Lexicon in Chinese NER", 2020). Spellings
share rows by a hash (Weinberger et al., "Feature Hashing for Large Scale Multitask Learning", 2009).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum
from math import exp, inf
from typing import NamedTuple

from masquerade.mask.normal import lowered

HASHED = 128
"""Rows below have one meaning each; those above are shared by what has the same hash."""
ROWS = HASHED + (1 << 16)

_GAP, _SHAPE, _LENGTH, _LINE, _LIST = 0, 4, 20, 26, 30
_LONGEST_ENTRY = 7
_LONGEST_GRAMS = 14
_32 = 0xFFFFFFFF


class Class(IntEnum):
    """What a word is made of."""

    LETTERS = 0
    DIGITS = 1
    HAN = 2
    MARK = 3


class Word(NamedTuple):
    """Characters ``start`` to ``end`` (exclusive)."""

    start: int
    end: int
    made_of: Class


def is_han(char: str) -> bool:
    """Han, and kana."""
    c = ord(char)
    return (
        0x3400 <= c <= 0x9FFF
        or c in (0x3005, 0x3007)
        or (0x3040 <= c <= 0x30FF and c != 0x30FB)
        or 0xF900 <= c <= 0xFAFF
        or 0x20000 <= c <= 0x3FFFF
    )


def cut(text: str) -> list[Word]:
    """The words of ``text``, in order."""
    words: list[Word] = []
    at, n = 0, len(text)
    while at < n:
        char, end = text[at], at + 1
        if is_han(char):
            words.append(Word(at, end, Class.HAN))
        elif char.isalpha():
            while end < n and text[end].isalpha() and not is_han(text[end]):
                end += 1
            words.append(Word(at, end, Class.LETTERS))
        elif char.isdecimal():
            while end < n and text[end].isdecimal():
                end += 1
            words.append(Word(at, end, Class.DIGITS))
        elif not char.isspace():
            words.append(Word(at, end, Class.MARK))
        at = end
    return words


def seen(text: str, words: Sequence[Word], lists: Mapping[int, int]) -> list[list[int]]:
    """The rows of each word; one that counts twice stands twice.

    Args:
        lists: from the hash of an entry (:func:`entry`) to a bit for each list that it stands in.
    """
    rows: list[list[int]] = []
    cases = [_case(line) for line in text.split("\n")]
    line, end = 0, 0
    for word in words:
        between = text[end : word.start]
        gap = 3 if not rows else 2 if "\n" in between else int(bool(between))
        line += between.count("\n")
        end = word.end
        form = text[word.start : word.end]
        rows.append([_GAP + gap, _LINE + cases[line]])
        if word.made_of is Class.LETTERS:
            rows[-1] += _of_letters(form, lists)
        elif word.made_of is Class.DIGITS:
            rows[-1].append(_SHAPE + 6 + min(len(form), 6) - 1)
            if len(form) <= 4:
                rows[-1].append(_row(20, form))
        elif word.made_of is Class.HAN:
            rows[-1] += _of_han(text, word)
        else:
            rows[-1] += (_SHAPE + 13, _row(25, form))
    for own, flags in zip(rows, _of_entries(text, words, lists), strict=True):
        own.extend(_LIST + flag for flag in sorted(flags))
    return rows


def entry(form: str) -> int:
    """The hash of an entry of a list, which is in lower case."""
    return _ended(_hash(0, form))


def _case(line: str) -> int:
    """Whether a line's letters are both small and large (0), small (1), mostly capitals (2), or none (3)."""
    upper, lower = sum(map(str.isupper, line)), sum(map(str.islower, line))
    if not upper and not lower:
        return 3
    if not upper:
        return 1
    return 2 if not lower or upper > 3 * lower else 0


def _of_letters(form: str, lists: Mapping[int, int]) -> list[int]:
    length, low = len(form), "".join(map(lowered, form))
    rows = [_SHAPE + _shape(form)]
    rows.append(_LENGTH + (length - 1 if length < 4 else 3 if length < 6 else 4 if length < 9 else 5))
    rows.append(_row(1, low))
    for m in (2, 3, 4):
        if length > m:
            rows += (_row(1 + m, low[:m]), _row(8 + m, low[-m:]))
    bounded = f"^{low[:_LONGEST_GRAMS]}$"
    rows += (_row(30, bounded[i : i + 3]) for i in range(len(bounded) - 2))
    return rows


def _shape(form: str) -> int:
    upper, lower = sum(map(str.isupper, form)), sum(map(str.islower, form))
    if not upper:
        return 0 if lower else 5
    if len(form) == 1:
        return 3
    if upper == 1 and form[0].isupper():
        return 1
    return 4 if lower else 2


def _of_han(text: str, word: Word) -> list[int]:
    form = text[word.start]
    before, after = text[max(0, word.start - 1) : word.start], text[word.end : word.end + 1]
    before, after = (char if char and is_han(char) else "" for char in (before, after))
    rows = [_SHAPE + 12, _row(21, form), _row(22, before + form), _row(23, form + after)]
    if before and after:
        rows.append(_row(24, before + form + after))
    return rows


def _of_entries(text: str, words: Sequence[Word], lists: Mapping[int, int]) -> list[set[int]]:
    """Of each word its lists, and whether it begins an entry there, is within, ends one, or is one."""
    flags: list[set[int]] = [set() for _ in words]
    for k, word in enumerate(words):
        if word.made_of is Class.LETTERS:
            flags[k] |= _flags(lists.get(entry("".join(map(lowered, text[word.start : word.end]))), 0), 3)
        if word.made_of is not Class.HAN:
            continue
        hashed = _hash(0, "")
        for length in range(1, _LONGEST_ENTRY + 1):
            last = words[k + length - 1] if k + length <= len(words) else word
            if last.made_of is not Class.HAN or last.start != word.start + length - 1:
                break
            hashed = _with(hashed, text[last.start])
            mask = lists.get(_ended(hashed), 0)
            if length == 1:
                flags[k] |= _flags(mask, 3)
                continue
            flags[k] |= _flags(mask, 0)
            for within in range(k + 1, k + length - 1):
                flags[within] |= _flags(mask, 1)
            flags[k + length - 1] |= _flags(mask, 2)
    return flags


def _flags(mask: int, place: int) -> set[int]:
    return {4 * bit + place for bit in range(mask.bit_length()) if mask >> bit & 1}


def _row(kind: int, form: str) -> int:
    return HASHED + (_ended(_hash(kind, form)) & 0xFFFF)


def _hash(kind: int, form: str) -> int:
    """FNV-1a over code points."""
    hashed = (2166136261 ^ kind) * 16777619 & _32
    for char in form:
        hashed = _with(hashed, char)
    return hashed


def _with(hashed: int, char: str) -> int:
    return (hashed ^ ord(char)) * 16777619 & _32


def _ended(hashed: int) -> int:
    return hashed ^ hashed >> 15


def best(scores: Sequence[Sequence[float]], kinds: int) -> list[tuple[int, int, int, float]]:
    """The best sequence of labels in which what begins also ends: first and last word, kind, and how sure it
    is that they are of some kind, in order.

    Viterbi, "Error Bounds for Convolutional Codes", 1967, where every sequence but those is impossible.

    Args:
        scores: of each word that of none and then, of each kind, of begin, inside, end and single.
    """
    closed, begun, inside = 0.0, [-inf] * kinds, [-inf] * kinds
    ways: list[tuple[int, list[bool]]] = []
    for own in scores:
        after, which, was_inside = closed + own[0], 0, []
        for k in range(kinds):
            begin, within, end, single = own[1 + 4 * k : 5 + 4 * k]
            was_inside.append(inside[k] > begun[k])
            opened = max(inside[k], begun[k])
            if opened + end > after:
                after, which = opened + end, 2 * k + 1
            if closed + single > after:
                after, which = closed + single, 2 * k + 2
            inside[k], begun[k] = opened + within, closed + begin
        closed = after
        ways.append((which, was_inside))
    found: list[tuple[int, int, int, float]] = []
    at = len(ways) - 1
    while at >= 0:
        which, was_inside = ways[at]
        if which:
            k, last, more = (which - 1) // 2, at, which % 2 == 1
            while more:
                at -= 1
                more = was_inside[k]
                was_inside = ways[at][1]
            found.append((at, last, k, _sure(scores[at : last + 1])))
        at -= 1
    return found[::-1]


def _sure(scores: Sequence[Sequence[float]]) -> float:
    return sum(1 - 1 / sum(exp(score - own[0]) for score in own) for own in scores) / len(scores)
