"""Finding: the rules of ``patterns.py`` in one linear pass, and beside them a policy's own lists and finders.

    find_rules(text)               every form that the table knows, overlapping and unjudged
    Lookout(policy).find(text)     what the policy says about them: disjoint spans, to be masked

Rules read the text in the plain form of ``normal.py``; offsets always come back in the text that was given.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, partial
from typing import TypeAlias

import re2
from ahocorasick_rs import AhoCorasick, MatchKind

from masquerade.mask import checks, patterns
from masquerade.mask.normal import Normal, lowered
from masquerade.mask.patterns import GAPS, ROWS, Row
from masquerade.mask.policy import Pattern, Policy, Words, readied
from masquerade.mask.span import Finder, Span

_END = r"(?![0-9A-Za-z])"
_MOST_DIGITS = 40

# The first digit of a run that may belong to a private form: no lone small number, nor one of a list of them.
_MONTH_START = r"(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|of )"
_DIGIT = re.compile(
    r"[0-9](?<![0-9][0-9])"
    r"(?!(?<=[1-9])(?<![A-Z] [0-9])(?<!\+[0-9])(?!(?<![0-9][ \-][0-9])(?:[ \-][0-9]){9})"
    r"[0-9]?[ ,][0-9]{1,2}(?![0-9A-Za-z.\-/:]))"
    r"(?:(?<=[A-Za-z][0-9])[0-9]*+|[0-9]{4,}+"
    rf"|[0-9]{{0,3}}+(?=[A-Za-z.\-/:)年）]|[ ,][0-9(]| [A-Z]|[ \-]{_MONTH_START}| ?年))"
)
_RUN = re.compile(r"[0-9A-Za-z]*")
_SOLID = re.compile(r"[!-~]*")
_LETTERS_BEFORE = re.compile(r"[_:\-]{0,2}[A-Za-z]{1,32}(?:[_:\-]{1,2}[A-Za-z]{1,32}){0,8}")
_BACK_REFERENCE = re.compile(r"\\([1-9])")
_TRIES_A_WORD = 16
"""How many prefixes are tried inside one run of printable ASCII: bounds the cost of a run made of them."""
_WASTE = 16_384
"""Characters of refused values that may be read inside one such run, beside four for each that it has."""
_CONTEXT_REACH = 48
"""Characters on either side of a match in which a pattern's context words are looked for."""

_span = tuple.__new__  # a named tuple's own constructor costs twice as much
_Found: TypeAlias = tuple[int, int, str, float]


def find_rules(text: str) -> list[Span]:
    """Every built-in form in ``text``, sorted by place; spans may overlap and scores are not judged.

    Time is linear in the length of ``text``, whatever it holds.
    """
    return [Span(*found) for found in sorted(_find_rules(text))]


def _find_rules(text: str) -> list[_Found]:
    plain = Normal(text)
    found = _rules().find(plain.text)
    if plain.same_offsets:
        return found
    return [(*plain.original(start, end), kind, score) for start, end, kind, score in found]


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
            branches.append(f"(?:{shifted}){_END}()" if "|" in shifted else f"{shifted}{_END}()")
        self._any = re.compile("|".join(branches) or r"(?!)").match

    def at(self, text: str, start: int) -> _Found | None:
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


class _Rules:
    """The table, compiled: forms by how they begin, and one automaton for labels and prefixes."""

    def __init__(self, rows: Iterable[Row]) -> None:
        rows = tuple(rows)
        self._forms = [_Forms(row for row in rows if n in row.lead) for n in range(_MOST_DIGITS)]
        self._elsewhere = [
            (re.compile(row.expression), row) for row in rows if not (row.lead or row.at or row.after)
        ]
        literals: dict[str, list[tuple[bool, Callable[[str, int], re.Match[str] | None], Row]]] = {}
        for row in rows:
            if row.at:
                match = re.compile(f"(?:{row.expression})").match
            elif row.after:
                value = _BACK_REFERENCE.sub(partial(_shift, by=1), row.expression)
                match = re.compile(f"{GAPS[row.gap]}({value}){_END}").match
            for literal in (*row.at, *row.after):
                literals.setdefault(literal, []).append((bool(row.after), match, row))
        self._automaton = AhoCorasick(list(literals), matchkind=MatchKind.LeftmostLongest)
        self._literals = [
            (literal[0].isascii() and literal[0].isalnum(), entries) for literal, entries in literals.items()
        ]

    def find(self, text: str) -> list[_Found]:
        found: list[_Found] = []
        self._find_forms(text, found)
        self._find_literals(text, found)
        _find_emails(text, found)
        if "://" in text:
            _find_urls(text, found)
        if not text.isascii():
            for expression, row in self._elsewhere:
                found.extend((*match.span(), row.kind, row.score) for match in expression.finditer(text))
        return found

    def _find_forms(self, text: str, found: list[_Found]) -> None:
        forms, position, digit = self._forms, 0, _DIGIT.search
        words = forms[0].at
        while match := digit(text, position):
            start, end = match.span()
            form = None
            before = text[start - 1] if start else " "
            if before.isalpha() and before < "\x7f" and not _is_escape(text, start - 1):
                word = _word_start(text, start, position)
                form = words(text, word) or _after_label(text, word, start, words)
            else:
                if before in ":_-" and text[start - 2 : start - 1].isalpha():
                    form = words(text, _word_start(text, start, position))
                elif before == "." and text[start - 2 : start - 1].isdigit():
                    position = _run_end(text, end)
                    continue
                if form is None:
                    length = end - start
                    form = forms[length if length < _MOST_DIGITS else _MOST_DIGITS - 1].at(text, start)
            if form is None:
                position = _run_end(text, end)
            else:
                position = form[1]
                if form[2]:
                    found.append(form)

    def _find_literals(self, text: str, found: list[_Found]) -> None:
        low = lowered(text)
        known = {span[0]: place for place, span in enumerate(found)}
        solid = solid_end = tries = waste = done = 0
        for which, start, end in self._automaton.find_matches_as_indexes(low):
            latin, entries = self._literals[which]
            if start < done or (latin and start and _continues(text, start)):
                continue
            if start >= solid_end:
                solid, solid_end = start, _SOLID.match(text, end).end()  # type: ignore[union-attr]
                tries = waste = 0
            elif waste > _WASTE + 4 * (start - solid):
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
                    if tries > _TRIES_A_WORD:
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


def _after_label(
    text: str, word: int, digit: int, words: Callable[[str, int], _Found | None]
) -> _Found | None:
    """The form that begins with the last letters before ``digit``: ``IBAN:DE89...``."""
    start = digit
    while text[start - 1].isalpha() and start > word:
        start -= 1
    return words(text, start) if word < start < digit else None


def _is_escape(text: str, at: int) -> bool:
    """Whether the letter at ``at`` is that of an escaped line break or tab, as in JSON within a string."""
    return at > 0 and text[at - 1] == "\\" and text[at] in "nrt"


def _continues(text: str, start: int) -> bool:
    """Whether the ASCII word at ``start`` is the tail of a longer one; a camelCase hump begins anew."""
    before = text[start - 1]
    if not before.isascii() or not before.isalnum():
        return False
    return not (text[start].isupper() and before.islower()) and not _is_escape(text, start - 1)


@cache
def _rules() -> _Rules:
    return _Rules(ROWS)


_EMAIL_DOMAINS = [(sign, re.compile(sign + patterns.EMAIL_DOMAIN)) for sign in patterns.EMAIL_SIGNS]
_EMAIL_LOCAL = re.compile(patterns.EMAIL_LOCAL)
_URL_REST = re.compile(patterns.URL_REST)
_URL_CREDENTIALS = re.compile(patterns.URL_CREDENTIALS)
_SCHEME = re.compile(r"[A-Za-z0-9+.\-]{1,20}")


def _find_emails(text: str, found: list[_Found]) -> None:
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


def _find_urls(text: str, found: list[_Found]) -> None:
    for match in _URL_REST.finditer(text):
        colon = match.start()
        scheme = _SCHEME.match(text[max(0, colon - 20) : colon][::-1])
        if scheme:
            start, end = colon - scheme.end(), colon + checks.url_length(match[0])
            while not text[start].isalpha() and start < colon:  # RFC 3986, 3.1
                start += 1
            if _URL_CREDENTIALS.match(text, colon, end):
                found.append((start, end, "SECRET", patterns.CREDENTIALS_SCORE))
            else:
                found.append((start, end, "URL", patterns.URL_SCORE))


# -- what a policy makes of it -------------------------------------------------------------------------


class Lookout:
    """Rules, lists, patterns and finders under one policy; compiled once, used by many threads.

    Args:
        policy: fates, thresholds, lists and patterns.
        finders: further callables ``text -> spans``. An exception from one of them is not caught: text that
            could not be looked at must not be sent.
    """

    def __init__(self, policy: Policy, finders: Sequence[Finder] = ()) -> None:
        self._policy = policy
        self._finders = tuple(finders)
        self._denied = [(words.kind or "", _Matcher(words)) for words in policy.deny]
        self._allowed = [(words.kind, _Matcher(words)) for words in policy.allow]
        self._patterns = [_OwnPattern(pattern) for pattern in policy.patterns]
        self._verdicts = _Verdicts(policy)

    def find(self, text: str) -> list[Span]:
        """What is to be masked in ``text``: sorted, disjoint, offsets into ``text``.

        Finds below their kind's threshold, allowed ones, and kinds that are kept are left out; denied words
        are never left out. Where several overlap, one span covers them all and takes the strictest fate.
        """
        found = _find_rules(text) if self._policy.rules else []
        for finder in self._finders:
            found.extend(finder(text))
        for own in self._patterns:
            found.extend(own.find(text))
        verdicts = self._verdicts
        found = [span for span in found if span[3] >= verdicts[span[2]][0]]
        if self._allowed and found:
            found = [span for span in found if not self._is_allowed(text, span)]
        for kind, matcher in self._denied:
            if verdicts[kind][1]:
                found.extend((start, end, kind, 1.0) for start, end in matcher.find(text))
        if len(found) > 1:
            found = self._merge(found)
        return [_span(Span, span) for span in found]

    def _is_allowed(self, text: str, span: _Found) -> bool:
        value = text[span[0] : span[1]]
        return any(kind in (None, span[2]) and matcher.is_whole(value) for kind, matcher in self._allowed)

    def _merge(self, spans: list[_Found]) -> list[_Found]:
        """Overlapping spans as one: it covers all of them, of the kind whose fate is strictest.

        Among equally strict ones the kind that covers most decides, then the better score.
        """
        spans.sort()
        merged: list[_Found] = []
        first, end = 0, spans[0][1]
        for index in range(1, len(spans)):
            span = spans[index]
            if span[0] < end:
                if span[1] > end:
                    end = span[1]
            else:
                merged.append(spans[first] if index - first == 1 else self._one(spans[first:index]))
                first, end = index, span[1]
        merged.append(spans[first] if len(spans) - first == 1 else self._one(spans[first:]))
        return merged

    def _one(self, group: list[_Found]) -> _Found:
        verdicts = self._verdicts
        best = max(group, key=lambda s: (verdicts[s[2]][1], s[1] - s[0], s[3]))
        return group[0][0], max(span[1] for span in group), best[2], best[3]


class _Verdicts(dict[str, tuple[float, int]]):
    """The threshold (out of reach for a kept kind) and the strictness of each kind, when it is first met."""

    def __init__(self, policy: Policy) -> None:
        super().__init__()
        self._policy = policy

    def __missing__(self, kind: str) -> tuple[float, int]:
        strictness = self._policy.fate(kind).strictness
        verdict = self[kind] = (self._policy.threshold(kind) if strictness else math.inf, strictness)
        return verdict


class _Matcher:
    """A list of words or expressions over the plain form of a text."""

    def __init__(self, words: Words) -> None:
        self._fold = words.match == "ignore-case"
        self._expressions = [_re2(word) for word in words.words] if words.match == "pattern" else []
        plain = [] if self._expressions else [self._form(Normal(word).text) for word in words.words]
        self._words = frozenset(plain)
        self._automaton = (
            AhoCorasick(list(self._words), matchkind=MatchKind.LeftmostLongest) if plain else None
        )

    def _form(self, plain: str) -> str:
        return lowered(plain) if self._fold else plain

    def find(self, text: str) -> Iterator[tuple[int, int]]:
        """Where a word stands, not as a part of a longer ASCII word; or where an expression matches."""
        plain = Normal(text)
        for expression in self._expressions:
            for start, end in _ranges(expression, plain.text):
                yield plain.original(start, end)
        if self._automaton:
            where = self._form(plain.text)
            for _, start, end in self._automaton.find_matches_as_indexes(where):
                if not (_joined(where, start) or _joined(where, end)):
                    yield plain.original(start, end)

    def is_whole(self, value: str) -> bool:
        """Whether ``value`` is, from end to end, one of the words or matches of an expression."""
        plain = Normal(value).text
        return self._form(plain) in self._words or any(e.fullmatch(plain.encode()) for e in self._expressions)


def _joined(text: str, at: int) -> bool:
    """Whether the characters on both sides of ``at`` are ASCII letters or digits of one word."""
    if not 0 < at < len(text):
        return False
    a, b = text[at - 1], text[at]
    return a.isascii() and b.isascii() and a.isalnum() and b.isalnum()


class _OwnPattern:
    """A pattern of the policy's own, with its context words."""

    def __init__(self, pattern: Pattern) -> None:
        self._pattern = pattern
        self._expression = _re2(pattern.expression)
        self._context = [lowered(Normal(word).text) for word in pattern.context]

    def find(self, text: str) -> Iterator[Span]:
        plain = Normal(text)
        low = lowered(plain.text) if self._context else ""
        for start, end in _ranges(self._expression, plain.text):
            near = low[max(0, start - _CONTEXT_REACH) : end + _CONTEXT_REACH]
            if not self._context or any(word in near for word in self._context):
                yield Span(*plain.original(start, end), self._pattern.kind, self._pattern.score)


def _re2(expression: str) -> re.Pattern[bytes]:
    compiled: re.Pattern[bytes] = re2.compile(readied(expression).encode())
    return compiled


def _ranges(expression: re.Pattern[bytes], text: str) -> Iterator[tuple[int, int]]:
    """The non-empty matches of an RE2 expression, as character offsets."""
    raw = text.encode("utf-8", "surrogatepass")
    if len(raw) == len(text):
        yield from (match.span() for match in expression.finditer(raw) if match.end() > match.start())
        return
    characters, seen = 0, 0
    for match in expression.finditer(raw):
        start, end = match.span()
        if end > start:
            characters += _count(raw, seen, start)
            length = _count(raw, start, end)
            yield characters, characters + length
            characters, seen = characters + length, end


def _count(raw: bytes, start: int, end: int) -> int:
    return len(raw[start:end].decode("utf-8", "surrogatepass"))
