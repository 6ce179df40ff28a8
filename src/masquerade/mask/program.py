"""Expressions as programs for the scanner in C.

    symbols    every character as a small number: ASCII as itself, all others by what the table tells apart
    sets       which symbols an expression's ``[...]`` holds, as bits
    programs   instructions for a matcher that goes back where it must, as ``re`` does

The parser is that of ``re``, so a row means the same here and there; what this matcher cannot do in bounded
time or memory raises ``ValueError`` when the table is compiled, never when a text is read.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from re import _constants as c  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any, NamedTuple, TypeAlias

FORMAT = 9
"""Goes up when instructions change their meaning, or when older code in C must not be used any more; the
scanner in C says which one it reads."""

MATCH, CHAR, SET, REPEAT, ALT, JUMP, MARK, LOOK, BACK, END, ATOMIC, LOOP, PEEK = range(13)
"""Instructions, each with the 32-bit words that follow it::

    CHAR symbol, SET set                one character
    REPEAT set least most possessive    one character, many times
    ALT set other                       if the next symbol is in the set; ``other`` is remembered, or next
    JUMP to, MARK slot, BACK group
    LOOK how width after                the program that follows, up to its MATCH, ahead or ``width`` before
    PEEK how set                        the same for one character
    ATOMIC after, LOOP least most after the program that follows, once or many times, with no way back into it
    END, MATCH                          the end of the text, and that of the program
"""

ANY_SET = 0xFFFFFFFF
NO_LIMIT = 0xFFFFFFFF
_MOST_UNROLLED = 32

Items: TypeAlias = tuple[tuple[Any, Any], ...]
Tree: TypeAlias = Sequence[tuple[Any, Any]]


class _Class(NamedTuple):
    """A ``[...]`` as ``re`` parsed it."""

    negated: bool
    items: Items
    fold: bool

    def ranges(self) -> Iterator[tuple[int, int]]:
        """First and last code points of what is listed, in all cases where case does not count."""
        for op, what in self.items:
            if op is c.CATEGORY:
                yield from _SPACES
            else:
                low, high = (what, what) if op is c.LITERAL else what
                yield low, high
                if self.fold:
                    yield from _other_cases(low, high)


_ODD_CASES = {0x130: "i", 0x131: "i", 0x17F: "s", 0x212A: "k"}
"""Characters beyond ASCII that ``re`` takes for ASCII letters where case does not count."""

_SPACES = [(code, code) for code in range(0x3001) if chr(code).isspace()]


def _other_cases(low: int, high: int) -> Iterator[tuple[int, int]]:
    for first, last, step in ((0x41, 0x5A, 32), (0x61, 0x7A, -32)):
        if low <= last and high >= first:
            yield max(low, first) + step, min(high, last) + step
    for odd, letter in _ODD_CASES.items():
        if low <= ord(letter) <= high or low <= ord(letter.upper()) <= high:
            yield odd, odd
    if low == high > 0x7F:
        for form in (chr(low).lower(), chr(low).upper()):
            if len(form) == 1:
                yield ord(form), ord(form)


class Program(NamedTuple):
    """Where a program's instructions begin, the set of symbols that it can begin with, and how many ASCII
    letters and digits stand at the beginning of all that it matches, at least and at most."""

    start: int
    first: int
    least: int
    most: int


class Compiler:
    """Compiles expressions one after another; :meth:`finish` gives what the scanner is made of."""

    def __init__(self) -> None:
        self.code: list[int] = []
        self._sets: dict[_Class | frozenset[int], int] = {}

    def add(self, expression: str) -> Program:
        """Compile ``expression``, to be matched at a place."""
        start = len(self.code)
        tree = list(parser.parse(expression))
        self._sequence(tree, False)
        self.code.append(MATCH)
        first, empty = self._first(tree, False)
        return Program(start, ANY_SET if empty or first is None else self._union(first), *_word(tree))

    def add_set(self, expression: str) -> int:
        """The number of the set of one ``[...]``."""
        ((op, items),) = list(parser.parse(expression))
        return self._one(op, items, False)

    # -- sets ---------------------------------------------------------------------------------------

    def _intern(self, one: _Class | frozenset[int]) -> int:
        return self._sets.setdefault(one, len(self._sets))

    def _one(self, op: Any, what: Any, fold: bool) -> int:
        """The set of an operation that takes one character."""
        if op is c.IN:
            negated = what[0][0] is c.NEGATE
            items = tuple((o, tuple(w) if o is c.RANGE else w) for o, w in what if o is not c.NEGATE)
            for o, w in items:
                if o not in (c.LITERAL, c.RANGE) and w is not c.CATEGORY_SPACE:
                    raise ValueError(f"a class may hold characters, ranges and \\s, not {w}")
            return self._intern(_Class(negated, items, fold))
        return self._intern(_Class(op is c.NOT_LITERAL, ((c.LITERAL, what),), fold))

    def _union(self, members: frozenset[int]) -> int:
        return next(iter(members)) if len(members) == 1 else self._intern(members)

    # -- instructions -------------------------------------------------------------------------------

    def _sequence(self, tree: Tree, fold: bool) -> None:
        for op, what in tree:
            self._emit(op, what, fold)

    def _emit(self, op: Any, what: Any, fold: bool) -> None:
        code = self.code
        if op is c.LITERAL and what < 128 and not (fold and chr(what).isalpha()):
            code += CHAR, what
        elif op in (c.LITERAL, c.NOT_LITERAL, c.IN):
            code += SET, self._one(op, what, fold)
        elif op in (c.MAX_REPEAT, c.POSSESSIVE_REPEAT):
            least, most, inner = what
            self._repeat(op is c.POSSESSIVE_REPEAT, least, most, inner, fold)
        elif op is c.BRANCH:
            self._branch(what[1], fold)
        elif op is c.SUBPATTERN:
            group, added, removed, inner = what
            if removed:
                raise ValueError("a flag is taken back")
            if group is not None:
                code += MARK, 2 * group
            self._sequence(inner, fold or bool(added & re.IGNORECASE))
            if group is not None:
                code += MARK, 2 * group + 1
        elif op in (c.ASSERT, c.ASSERT_NOT):
            direction, inner = what
            how = int(direction < 0) << 1 | int(op is c.ASSERT_NOT)
            ((first, single), *more) = inner
            if not more and first in (c.LITERAL, c.NOT_LITERAL, c.IN):
                code += PEEK, how, self._one(first, single, fold)
            else:
                width = inner.getwidth()[0] if direction < 0 else 0
                self._apart(LOOK, (how, width), inner, fold)
        elif op is c.GROUPREF and not fold:
            code += BACK, what
        elif op is c.AT and what is c.AT_END_STRING:
            code.append(END)
        elif op is c.ATOMIC_GROUP:
            self._apart(ATOMIC, (), what, fold)
        else:
            raise ValueError(f"the dialect has no {op}")

    def _apart(self, op: int, words: tuple[int, ...], tree: Tree, fold: bool) -> None:
        """A program of its own in line, with the place behind it as the last word before it."""
        if _captures(tree):
            raise ValueError("a group inside a look-around or a possessive repetition")
        self.code += op, *words, 0
        behind = len(self.code) - 1
        self._sequence(tree, fold)
        self.code.append(MATCH)
        self.code[behind] = len(self.code)

    def _repeat(self, possessive: bool, least: int, most: Any, tree: Tree, fold: bool) -> None:
        limit = NO_LIMIT if most is c.MAXREPEAT else int(most)
        (op, what), *more = tree
        if not more and op in (c.LITERAL, c.NOT_LITERAL, c.IN):
            self.code += REPEAT, self._one(op, what, fold), least, limit, int(possessive)
        elif possessive:
            self._apart(LOOP, (least, limit), tree, fold)
        elif limit > _MOST_UNROLLED:
            raise ValueError(f"up to {most} repetitions of a group: make it possessive")
        else:
            for _ in range(least):
                self._sequence(tree, fold)
            exits = []
            for _ in range(limit - least):
                self.code += ALT, self._begins(tree, fold), 0
                exits.append(len(self.code) - 1)
                self._sequence(tree, fold)
            for place in exits:
                self.code[place] = len(self.code)

    def _branch(self, branches: Sequence[Tree], fold: bool) -> None:
        code, jumps = self.code, []
        for branch in branches[:-1]:
            code += ALT, self._begins(branch, fold), 0
            other = len(code) - 1
            self._sequence(branch, fold)
            code += JUMP, 0
            jumps.append(len(code) - 1)
            code[other] = len(code)
        self._sequence(branches[-1], fold)
        for place in jumps:
            code[place] = len(code)

    # -- what an expression can begin with ------------------------------------------------------------

    def _begins(self, tree: Tree, fold: bool) -> int:
        first, empty = self._first(tree, fold)
        return ANY_SET if empty or first is None else self._union(first)

    def _first(self, tree: Tree, fold: bool) -> tuple[frozenset[int] | None, bool]:
        """Sets one of which holds the first symbol (None: unknown), and whether there may be none."""
        sets: frozenset[int] = frozenset()
        for op, what in tree:
            more, empty = self._first_of(op, what, fold)
            if more is None:
                return None, empty
            sets |= more
            if not empty:
                return sets, False
        return sets, True

    def _first_of(self, op: Any, what: Any, fold: bool) -> tuple[frozenset[int] | None, bool]:
        if op in (c.LITERAL, c.NOT_LITERAL, c.IN):
            return frozenset((self._one(op, what, fold),)), False
        if op in (c.MAX_REPEAT, c.POSSESSIVE_REPEAT):
            first, empty = self._first(what[2], fold)
            return first, empty or what[0] == 0
        if op is c.SUBPATTERN:
            return self._first(what[3], fold or bool(what[1] & re.IGNORECASE))
        if op is c.ATOMIC_GROUP:
            return self._first(what, fold)
        if op is c.BRANCH:
            each = [self._first(branch, fold) for branch in what[1]]
            known = [first for first, _ in each if first is not None]
            united = frozenset().union(*known) if len(known) == len(each) else None
            return united, any(empty for _, empty in each)
        if op in (c.ASSERT, c.ASSERT_NOT, c.AT):
            return frozenset(), True
        return None, True

    # -- symbols --------------------------------------------------------------------------------------

    def finish(self, own: Iterable[str] = ()) -> Tables:
        """The symbols that all sets, and the characters ``own``, are told apart by, and the sets as bits."""
        listed = {one: list(one.ranges()) for one in self._sets if isinstance(one, _Class)}
        cuts = {cut for ranges in listed.values() for low, high in ranges for cut in (low, high + 1)}
        cuts.update(ord(char) + step for char in own for step in (0, 1))
        if max(cuts) > _ABOVE:
            raise ValueError("a class tells characters above U+FFFF apart")
        starts = [*range(128), *sorted(cut for cut in cuts if 128 < cut < _ABOVE), _ABOVE]
        starts.insert(128, 128)
        symbols = array("H", range(128))
        for symbol in range(128, len(starts) - 1):
            symbols.extend(array("H", (symbol,)) * (starts[symbol + 1] - starts[symbol]))
        symbols.append(len(starts) - 1)

        everything = (1 << len(starts)) - 1
        masks: list[int] = []
        for one in self._sets:
            mask = 0
            if isinstance(one, _Class):
                for low, high in listed[one]:
                    mask |= (1 << bisect_left(starts, high + 1)) - (1 << bisect_left(starts, low))
                mask ^= everything if one.negated else 0
            else:
                for member in one:  # it stands before its union
                    mask |= masks[member]
            masks.append(mask)
        words = (len(starts) + 63) // 64
        bits = array("Q", (mask >> shift & _ALL_64 for mask in masks for shift in range(0, 64 * words, 64)))
        return Tables(symbols, array("I", self.code), bits, words)


_ABOVE = 0x10000
_ALL_64 = (1 << 64) - 1


class Tables(NamedTuple):
    """What all programs share."""

    symbols: array[int]
    """The symbol of each code point up to U+FFFF, and that of all above."""
    code: array[int]
    bits: array[int]
    """Set after set, ``words`` times 64 bits each: one bit a symbol."""
    words: int


_NO_END = 1 << 30
_WORD = [(0x30, 0x39), (0x41, 0x5A), (0x61, 0x7A)]


def _word(tree: Tree) -> tuple[int, int]:
    """How many letters and digits whatever ``tree`` matches begins with, if none follows the match."""
    stops: list[tuple[int, int]] = []
    least, most = _through(tree, 0, 0, stops)
    if least <= most:
        stops.append((least, most))
    return min(low for low, _ in stops), min(max(high for _, high in stops), _NO_END)


def _through(tree: Tree, least: int, most: int, stops: list[tuple[int, int]]) -> tuple[int, int]:
    """Go on from between ``least`` and ``most`` letters; where the word may end is added to ``stops``.

    A result of ``least`` above ``most`` says that it always ends on the way."""
    for op, what in tree:
        if least > most:
            return least, most
        if op in (c.LITERAL, c.NOT_LITERAL, c.IN):
            repeats, inner = (1, 1), [(op, what)]
        elif op in (c.MAX_REPEAT, c.POSSESSIVE_REPEAT):
            repeats, inner = (what[0], _NO_END if what[1] is c.MAXREPEAT else what[1]), list(what[2])
            if len(inner) > 1 and repeats in ((0, 1), (1, 1)):
                once = _through(inner, least, most, stops)
                least, most = once if repeats[0] else _either([once, (least, most)])
                continue
        elif op is c.SUBPATTERN:
            least, most = _through(what[3], least, most, stops)
            continue
        elif op is c.BRANCH:
            least, most = _either([_through(branch, least, most, stops) for branch in what[1]])
            continue
        elif op in (c.ASSERT, c.ASSERT_NOT):
            continue
        else:
            repeats, inner = (0, 0), []
        letters = _letters(inner)
        if letters is None:  # anything may follow
            stops.append((least, _NO_END))
            return 1, 0
        if letters:
            least, most = least + repeats[0], most + repeats[1]
        elif repeats[1]:
            stops.append((least, most))
            if repeats[0]:
                return 1, 0
    return least, most


def _either(ways: list[tuple[int, int]]) -> tuple[int, int]:
    going = [(low, high) for low, high in ways if low <= high]
    return (min(low for low, _ in going), max(high for _, high in going)) if going else (1, 0)


def _letters(tree: Tree) -> bool | None:
    """Whether one character is always a letter or digit, or never; None if that is open."""
    if len(tree) != 1 or tree[0][0] not in (c.LITERAL, c.IN):
        return None
    op, what = tree[0]
    items = [(op, what)] if op is c.LITERAL else what
    if items[0][0] is c.NEGATE:
        return None
    ranges = [(w, w) if o is c.LITERAL else w for o, w in items if o is not c.CATEGORY]
    within = [any(a <= low and high <= b for a, b in _WORD) for low, high in ranges]
    if all(within) and len(ranges) == len(items):
        return True
    return None if any(low <= b and high >= a for low, high in ranges for a, b in _WORD) else False


def _captures(tree: Tree) -> bool:
    for op, what in tree:
        if op is c.SUBPATTERN:
            if what[0] is not None or _captures(what[3]):
                return True
        elif op in (c.MAX_REPEAT, c.POSSESSIVE_REPEAT):
            if _captures(what[2]):
                return True
        elif (op is c.BRANCH and any(map(_captures, what[1]))) or (
            op in (c.ASSERT, c.ASSERT_NOT) and _captures(what[1])
        ):
            return True
    return False


class Trie(NamedTuple):
    """Literals to be found at a place, longest first: for each node its literal (or none) and its branches.

    Node ``n`` has the branches ``first[n]`` to ``first[n + 1]``, each a symbol and the node that it leads to.
    """

    literal: array[int]
    first: array[int]
    symbol: array[int]
    target: array[int]


NO_LITERAL = 0xFFFFFFFF


def trie(literals: Sequence[Sequence[int]]) -> Trie:
    """``literals`` as symbols."""
    nodes: list[dict[int, int]] = [{}]
    ends = [NO_LITERAL]
    for number, literal in enumerate(literals):
        at = 0
        for symbol in literal:
            at = nodes[at].setdefault(symbol, len(nodes))
            if at == len(nodes):
                nodes.append({})
                ends.append(NO_LITERAL)
        ends[at] = number
    result = Trie(array("I", ends), array("I", (0,)), array("H"), array("I"))
    for branches in nodes:
        for symbol, target in sorted(branches.items()):
            result.symbol.append(symbol)
            result.target.append(target)
        result.first.append(len(result.symbol))
    return result
