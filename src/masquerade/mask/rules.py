"""The rules: the table of ``patterns.py``, compiled, and the walk over a text that tries them.

This is the reference. ``csrc/walk.h`` takes the same walk in native code where it was built (``native.py``),
and tests hold that both find the same in every text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache, partial
from typing import TypeAlias

from ahocorasick_rs import AhoCorasick, MatchKind

from masquerade.mask import checks, patterns
from masquerade.mask.normal import lowered
from masquerade.mask.patterns import GAPS, ROWS, Row

Found: TypeAlias = tuple[int, int, str, float]
"""What a :class:`Span` holds, before it is one."""

END = r"(?![0-9A-Za-z])"
MOST_DIGITS = 40

# The first digit of a run that may belong to a private form: no lone small number, nor one of a list of them.
_MONTH_START = r"(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|of )"
DIGIT = re.compile(
    r"[0-9](?<![0-9][0-9])"
    r"(?!(?<=[1-9])(?<![A-Z] [0-9])(?<!\+[0-9])(?!(?<![0-9][ \-][0-9])(?:[ \-][0-9]){9})"
    r"[0-9]?[ ,][0-9]{1,2}(?![0-9A-Za-z.\-/:]))"
    r"(?:(?<=[A-Za-z][0-9])[0-9]*+|[0-9]{4,}+"
    rf"|[0-9]{{0,3}}+(?=[A-Za-z.\-/:)年）]|[ ,][0-9(]| [A-Z]|[ \-]{_MONTH_START}| ?年))"
)
_RUN = re.compile(r"[0-9A-Za-z]*")
SOLID_CHARACTER = "[!-~]"
SOLID = re.compile(f"{SOLID_CHARACTER}*")
_LETTERS_BEFORE = re.compile(r"[_:\-]{0,2}[A-Za-z]{1,32}(?:[_:\-]{1,2}[A-Za-z]{1,32}){0,8}")
_BACK_REFERENCE = re.compile(r"\\([1-9])")
TRIES_A_WORD = 16
"""How many prefixes are tried inside one run of printable ASCII: bounds the cost of a run made of them."""
WASTE = 16_384
"""Characters of refused values that may be read inside one such run, beside four for each that it has."""


def labelled(row: Row) -> str:
    """What stands behind a label of ``row``: its gap, and the value as group 1."""
    value = _BACK_REFERENCE.sub(partial(_shift, by=1), row.expression)
    return f"{GAPS[row.gap]}({value}){END}"


class _Forms:
    """Rows that may begin at one place, as one expression; the first that passes its check wins."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows = tuple(rows)
        self._after: dict[int, _Forms] = {}
        self._by_group: dict[int | None, tuple[int, Callable[[str], int] | None, int, str, float]] = {}
        groups, branches = 0, []
        for index, row in enumerate(self._rows):
            own = re.compile(row.expression).groups
            shifted = _BACK_REFERENCE.sub(partial(_shift, by=groups), row.expression)
            groups += own + 1
            self._by_group[groups] = index, row.check, row.left, row.kind, row.score
            # The empty group at the end tells which branch it was, and leaves the first character in front,
            # where the engine can refuse a branch by it.
            branches.append(f"(?:{shifted}){END}()" if "|" in shifted else f"{shifted}{END}()")
        self._any = re.compile("|".join(branches) or r"(?!)").match

    def at(self, text: str, start: int) -> Found | None:
        """The form that begins at ``start``."""
        match = self._any(text, start)
        if match is None:
            return None
        index, check, left, kind, score = self._by_group[match.lastindex]
        if check is None:
            end = match.end()
        else:
            end = start + check(match[0])
            if end == start:
                after = self._after.get(index)
                if after is None:
                    after = self._after[index] = _Forms(self._rows[index + 1 :])
                return after.at(text, start)
        begin = start - left
        if kind == "PHONE" and begin and text[begin - 1] == "(" and text.find(")", begin, end) >= 0:
            begin -= 1
        return begin, end, kind, score


def _shift(reference: re.Match[str], by: int) -> str:
    """A back-reference when ``by`` groups come before its expression."""
    return rf"(?:\{int(reference[1]) + by})"


class Rules:
    """The table, compiled: forms by how they begin, and one automaton for labels and prefixes."""

    def __init__(self, rows: Iterable[Row]) -> None:
        rows = tuple(rows)
        self._forms = [_Forms(row for row in rows if n in row.lead) for n in range(MOST_DIGITS)]
        self._elsewhere = [
            (re.compile(row.expression), row) for row in rows if not (row.lead or row.at or row.after)
        ]
        literals: dict[str, list[tuple[bool, Callable[[str, int], re.Match[str] | None], Row]]] = {}
        for row in rows:
            if row.at:
                match = re.compile(f"(?:{row.expression})").match
            elif row.after:
                match = re.compile(labelled(row)).match
            for literal in (*row.at, *row.after):
                literals.setdefault(literal, []).append((bool(row.after), match, row))
        self._automaton = AhoCorasick(list(literals), matchkind=MatchKind.Standard)
        self._literals = list(literals.values())

    def find(self, text: str) -> list[Found]:
        found: list[Found] = []
        self._find_forms(text, found)
        self._find_literals(text, found)
        _find_emails(text, found)
        if "://" in text:
            _find_urls(text, found)
        if not text.isascii():
            for expression, row in self._elsewhere:
                found.extend((*match.span(), row.kind, row.score) for match in expression.finditer(text))
        return found

    def _find_forms(self, text: str, found: list[Found]) -> None:
        forms, position, digit = self._forms, 0, DIGIT.search
        words = forms[0].at
        while match := digit(text, position):
            start, end = match.span()
            form = None
            before = text[start - 1] if start else " "
            if before.isalpha() and before < "\x7f" and not _is_escape(text, start - 1):
                word = _word_start(text, start, position)
                form = words(text, word) or _after_label(text, word, start, words)
            else:
                second = text[start - 2 : start - 1]
                if before in ":_-" and second.isalpha() and second.isascii():
                    form = words(text, _word_start(text, start, position))
                elif before == "." and second.isdigit() and second.isascii():
                    position = _run_end(text, end)
                    continue
                if form is None:
                    length = end - start
                    form = forms[length if length < MOST_DIGITS else MOST_DIGITS - 1].at(text, start)
            if form is None:
                position = _run_end(text, end)
            else:
                position = form[1]
                if form[2]:
                    found.append(form)

    def _in_turn(self, text: str, low: str) -> Iterator[tuple[int, int, int]]:
        """Literals that begin a word, sorted by place, the longest first."""
        found = self._automaton.find_matches_as_indexes(low, overlapping=True)
        for start, end, which in sorted(((a, -b, which) for which, a, b in found)):
            if not (start and _continues(text, start)):
                yield start, -end, which

    def _find_literals(self, text: str, found: list[Found]) -> None:
        low = lowered(text)
        known = {span[0]: place for place, span in enumerate(found)}
        solid = solid_end = tries = waste = done = read = 0
        for start, end, which in self._in_turn(text, low):
            entries = self._literals[which]
            if start < max(done, read):  # within a value or a longer literal
                continue
            read = end
            if start >= solid_end:
                solid, solid_end = start, SOLID.match(text, end).end()  # type: ignore[union-attr]
                tries = waste = 0
            elif waste > WASTE + 4 * (start - solid):
                continue
            for after, match_at, row in entries:
                if after:
                    place = known.get(end, known.get(end + 1))
                    if place is not None and found[place][2] == row.kind:
                        begin, stop, kind, score = found[place]
                        found[place] = begin, stop, kind, max(score, row.score)
                        continue
                else:
                    tries += 1
                    if tries > TRIES_A_WORD:
                        continue
                match = match_at(text, end if after else start)
                if match is None:
                    continue
                begin, stop = match.span(match.lastindex or 0)
                length = stop - begin if row.check is None else row.check(text[begin:stop])
                if length:
                    found.append((begin, begin + length, row.kind, row.score))
                    done = begin + length
                else:
                    waste += stop - begin


def _run_end(text: str, at: int) -> int:
    """Where the letters and digits that stand at ``at`` end."""
    return _RUN.match(text, at).end() if text[at : at + 1].isalnum() else at  # type: ignore[union-attr]


def _word_start(text: str, digit: int, limit: int) -> int:
    """Where the letters, with a few joints between, that lead up to ``digit`` begin."""
    match = _LETTERS_BEFORE.match(text[max(limit, digit - 128) : digit][::-1])
    start = digit - match.end() if match else digit
    return start + 1 if _is_escape(text, start) else start


def _after_label(text: str, word: int, digit: int, words: Callable[[str, int], Found | None]) -> Found | None:
    """The form that begins with the last letters before ``digit``: ``IBAN:DE89...``."""
    start = digit
    while text[start - 1].isalpha() and start > word:
        start -= 1
    return words(text, start) if word < start < digit else None


def _is_escape(text: str, at: int) -> bool:
    """Whether the letter at ``at`` is that of an escaped line break or tab, as in JSON within a string."""
    return at > 0 and text[at - 1] == "\\" and text[at] in "nrt"


def _continues(text: str, start: int) -> bool:
    """Whether a longer ASCII word goes on at ``start``; a camelCase hump begins anew."""
    before, here = text[start - 1], text[start]
    if not (before.isascii() and before.isalnum() and here.isascii() and here.isalnum()):
        return False
    return not (here.isupper() and before.islower()) and not _is_escape(text, start - 1)


@cache
def rules() -> Rules:
    """The whole table, compiled when it is first needed."""
    return Rules(ROWS)


_EMAIL_DOMAINS = [(sign, re.compile(sign + patterns.EMAIL_DOMAIN)) for sign in patterns.EMAIL_SIGNS]
_EMAIL_LOCAL = re.compile(patterns.EMAIL_LOCAL)
_URL_REST = re.compile(patterns.URL_REST)
_URL_CREDENTIALS = re.compile(patterns.URL_CREDENTIALS)
SCHEME_CHARACTER = r"[A-Za-z0-9+.\-]"
SCHEME = re.compile(SCHEME_CHARACTER + "{1,20}")


def _find_emails(text: str, found: list[Found]) -> None:
    for sign, domain in _EMAIL_DOMAINS:
        for match in domain.finditer(text) if sign in text else ():
            at = match.start()
            local = _EMAIL_LOCAL.match(text[max(0, at - 64) : at][::-1])
            if local:
                start = at - local.end()
                while start < at and text[start] in "'.":
                    start += 1
                if start < at:
                    found.append((start, match.end(), "EMAIL", patterns.EMAIL_SCORE))


def _find_urls(text: str, found: list[Found]) -> None:
    for match in _URL_REST.finditer(text):
        colon = match.start()
        scheme = SCHEME.match(text[max(0, colon - 20) : colon][::-1])
        if scheme:
            start, end = colon - scheme.end(), colon + checks.url_length(match[0])
            while not text[start].isalpha() and start < colon:  # RFC 3986, 3.1
                start += 1
            if _URL_CREDENTIALS.match(text, colon, end):
                found.append((start, end, "SECRET", patterns.CREDENTIALS_SCORE))
            else:
                found.append((start, end, "URL", patterns.URL_SCORE))
