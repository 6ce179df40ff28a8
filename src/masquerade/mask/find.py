"""Finding: the rules of ``patterns.py`` in one linear pass, and beside them a policy's own lists and finders.

    find_rules(text)               every form that the table knows, overlapping and unjudged
    Lookout(policy).find(text)     what the policy says about them: disjoint spans, to be masked

Rules read the text in the plain form of ``normal.py``; offsets always come back in the text that was given.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache

from ahocorasick_rs import AhoCorasick, MatchKind

from masquerade.mask import patterns
from masquerade.mask.normal import Normal, lowered
from masquerade.mask.patterns import GAPS, ROWS, Row
from masquerade.mask.policy import Pattern, Policy, Words
from masquerade.mask.span import Finder, Span

# What no row can begin with is passed over inside the regular expression engine, a word at a time:
# runs without letters or digits, words and short compounds without a digit, and lone small numbers.
_PASS = (
    r"(?:[^0-9A-Za-z]++"
    r"|(?![A-Fa-f]{2}[:\-][A-Fa-f]{2}[:\-])[A-Za-z]++(?:[_:\-]{1,2}[A-Za-z]++){0,8}+(?![_:\-]{0,2}[0-9])"
    r"|[0-9]{1,4}+(?![0-9A-Za-z.\-/:() ,（）年_])"
    r"|[0-9]{1,3}+,(?=[^0-9])"
    r"|[0-9]{1,4}+(?=[ ,][A-Za-z]{4})(?![ ,](?:[Jj]an|[Ff]eb|[Mm]ar|[Aa]pr|[Mm]ay|[Jj]un|[Jj]ul|[Aa]ug|[Ss]ep|[Oo]ct|[Nn]ov|[Dd]ec))"
    r"|(?<![A-Z] )(?!(?<![0-9][ \-])[0-9](?:[ \-][0-9]){9})[0-9]{1,2}+(?= [0-9]{1,2}(?![0-9A-Za-z]))"
    r")*+"
)
_RUN = re.compile(r"[0-9A-Za-z]*")
_END = r"(?![0-9A-Za-z])"
_BALANCED = re.compile(r"(?:[^()]|\([^()]*+\))*+")
_BACK_REFERENCE = re.compile(r"\\([1-9])")
_CONTEXT_REACH = 48
"""Characters on either side of a match in which a pattern's context words are looked for."""


def find_rules(text: str) -> list[Span]:
    """Every built-in form in ``text``, sorted by place; spans may overlap and scores are not judged.

    Time is linear in the length of ``text``, whatever it holds.
    """
    plain = Normal(text)
    found = list(_rules().find(plain.text))
    if not plain.same_offsets:
        found = [Span(*plain.original(start, end), kind, score) for start, end, kind, score in found]
    found.sort()
    return found


class _Rules:
    """The table, compiled: one expression for forms, one automaton for labels and prefixes."""

    def __init__(self, rows: Iterable[Row]) -> None:
        rows = tuple(rows)
        forms = [row for row in rows if not row.at and not row.after]
        self._forms = [(re.compile(f"(?:{row.expression}){_END}"), row) for row in forms]
        groups, branches = 1, []
        self._by_group: dict[int, int] = {}
        for index, row in enumerate(forms):
            own = re.compile(row.expression).groups
            shifted = _BACK_REFERENCE.sub(lambda m, base=groups: rf"(?:\{int(m[1]) + base})", row.expression)
            groups += own + 1
            self._by_group[groups] = index
            branches.append(f"(?:{shifted}){_END}()" if "|" in shifted else f"{shifted}{_END}()")
        self._scan = re.compile(rf"{_PASS}()(?:{'|'.join(branches)}|[0-9A-Za-z]++|\Z)")

        literals: dict[str, list[tuple[bool, Callable[[str, int], re.Match[str] | None], Row]]] = {}
        for row in rows:
            if row.at:
                match = re.compile(f"(?:{row.expression})").match
                for literal in row.at:
                    literals.setdefault(literal, []).append((False, match, row))
            elif row.after:
                match = re.compile(f"{GAPS[row.gap]}({row.expression}){_END}").match
                for literal in row.after:
                    literals.setdefault(literal, []).append((True, match, row))
        self._automaton = AhoCorasick(list(literals), matchkind=MatchKind.LeftmostLongest)
        self._literals = [
            (literal[0].isascii() and literal[0].isalnum(), entries) for literal, entries in literals.items()
        ]

    def find(self, text: str) -> Iterator[Span]:
        yield from self._find_forms(text)
        yield from self._find_literals(text)
        if "@" in text:
            yield from _find_emails(text)
        if "://" in text or "www." in text or "WWW." in text:
            yield from _find_urls(text)

    def _find_forms(self, text: str) -> Iterator[Span]:
        position, end = 0, len(text)
        while position < end:
            for match in self._scan.finditer(text, position):
                group = match.lastindex
                if group == 1:
                    continue
                start, stop = match.end(1), match.end()
                index = self._by_group[group]  # type: ignore[index]
                row = self._forms[index][1]
                if not row.kind:
                    continue
                inside_number = start > 1 and text[start - 1] == "." and text[start - 2].isdigit()
                if not inside_number:
                    length = stop - start if row.check is None else row.check(text[start:stop])
                    if length == stop - start:
                        yield Span(_start(text, start, stop, row), stop, row.kind, row.score)
                        continue
                    if not length:
                        index, length = self._next_form(text, start, index + 1)
                    if length:
                        row = self._forms[index][1]
                        yield Span(
                            _start(text, start, start + length, row), start + length, row.kind, row.score
                        )
                        position = start + length
                        break
                position = _RUN.match(text, start).end()  # type: ignore[union-attr]
                break
            else:
                return

    def _next_form(self, text: str, start: int, index: int) -> tuple[int, int]:
        """The first later row that holds at ``start``, and its length; length 0 when none does."""
        for later in range(index, len(self._forms)):
            pattern, row = self._forms[later]
            match = pattern.match(text, start)
            if match and row.kind:
                length = len(match[0]) if row.check is None else row.check(match[0])
                if length:
                    return later, length
        return index, 0

    def _find_literals(self, text: str) -> Iterator[Span]:
        low = lowered(text)
        for which, start, end in self._automaton.find_matches_as_indexes(low):
            latin, entries = self._literals[which]
            if latin and start and _continues(text, start):
                continue
            for after, match_at, row in entries:
                match = match_at(text, end if after else start)
                if match is None:
                    continue
                begin, stop = match.span(match.re.groups and 1)
                length = stop - begin if row.check is None else row.check(text[begin:stop])
                if length:
                    yield Span(begin, begin + length, row.kind, row.score)


def _start(text: str, start: int, end: int, row: Row) -> int:
    """Where a value begins: with what its row looked back on, and the parenthesis that it closes."""
    if row.kind == "PHONE" and start and text[start - 1] == "(" and text.find(")", start, end) >= 0:
        return start - 1
    return start - row.left


def _continues(text: str, start: int) -> bool:
    """Whether the ASCII word at ``start`` is the tail of a longer one; a camelCase hump begins anew."""
    before = text[start - 1]
    if not before.isascii() or not before.isalnum():
        return False
    return not (text[start].isupper() and before.islower())


@cache
def _rules() -> _Rules:
    return _Rules(ROWS)


_EMAIL_DOMAIN = re.compile(patterns.EMAIL_DOMAIN)
_EMAIL_LOCAL = re.compile(patterns.EMAIL_LOCAL)
_URL_REST = re.compile(patterns.URL_REST)
_URL_BARE = re.compile(patterns.URL_BARE, re.IGNORECASE)
_URL_CREDENTIALS = re.compile(patterns.URL_CREDENTIALS)
_SCHEME = re.compile(r"[A-Za-z0-9+.\-]{1,20}")


def _find_emails(text: str) -> Iterator[Span]:
    for match in _EMAIL_DOMAIN.finditer(text):
        at = match.start()
        local = _EMAIL_LOCAL.match(text[max(0, at - 64) : at][::-1])
        if local:
            start = at - local.end()
            while start < at and text[start] in "'.":
                start += 1
            if start < at:
                yield Span(start, match.end(), "EMAIL", patterns.EMAIL_SCORE)


def _find_urls(text: str) -> Iterator[Span]:
    for match in _URL_REST.finditer(text):
        colon = match.start()
        scheme = _SCHEME.match(text[max(0, colon - 20) : colon][::-1])
        if scheme:
            start, end = colon - scheme.end(), _url_end(text, colon, match.end())
            if _URL_CREDENTIALS.match(text, colon, end):
                yield Span(start, end, "SECRET", patterns.CREDENTIALS_SCORE)
            else:
                yield Span(start, end, "URL", patterns.URL_SCORE)
    for match in _URL_BARE.finditer(text):
        start = match.start()
        yield Span(start, _url_end(text, start, match.end()), "URL", patterns.URL_SCORE)


def _url_end(text: str, start: int, end: int) -> int:
    """Where an address ends when the punctuation of the sentence around it is taken off."""
    end = _BALANCED.match(text, start, end).end()  # type: ignore[union-attr]
    while text[end - 1] in ".,;:!?'\"*_~|":
        end -= 1
    return end


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
        self._fates: dict[str, tuple[float, int]] = {}

    def find(self, text: str) -> list[Span]:
        """What is to be masked in ``text``: sorted, disjoint, offsets into ``text``.

        Finds below their kind's threshold, allowed ones, and kinds that are kept are left out; denied words
        are never left out. Where several overlap, one span covers them all and takes the strictest fate.
        """
        found = find_rules(text) if self._policy.rules else []
        for finder in self._finders:
            found.extend(finder(text))
        for own in self._patterns:
            found.extend(own.find(text))
        verdict = self._verdict
        found = [span for span in found if span.score >= verdict(span.kind)[0] and verdict(span.kind)[1]]
        if self._allowed and found:
            found = [span for span in found if not self._is_allowed(text, span)]
        for kind, matcher in self._denied:
            if verdict(kind)[1]:
                found.extend(Span(start, end, kind, 1.0) for start, end in matcher.find(text))
        if len(found) > 1:
            found = self._merge(found)
        return found

    def _verdict(self, kind: str) -> tuple[float, int]:
        """The threshold and the strictness of a kind."""
        known = self._fates.get(kind)
        if known is None:
            known = self._fates[kind] = (self._policy.threshold(kind), self._policy.fate(kind).strictness)
        return known

    def _is_allowed(self, text: str, span: Span) -> bool:
        value = text[span.start : span.end]
        return any(kind in (None, span.kind) and matcher.is_whole(value) for kind, matcher in self._allowed)

    def _merge(self, spans: list[Span]) -> list[Span]:
        """Overlapping spans as one: it covers all of them, of the kind whose fate is strictest.

        Among equally strict ones the kind that covers most decides, then the better score.
        """
        spans.sort()
        merged: list[Span] = []
        group = [spans[0]]
        end = spans[0].end
        for span in spans[1:]:
            if span.start < end:
                group.append(span)
                end = max(end, span.end)
            else:
                merged.append(self._one(group, end))
                group, end = [span], span.end
        merged.append(self._one(group, end))
        return merged

    def _one(self, group: list[Span], end: int) -> Span:
        if len(group) == 1:
            return group[0]
        best = max(group, key=lambda s: (self._verdict(s.kind)[1], s.end - s.start, s.score))
        return Span(group[0].start, end, best.kind, best.score)


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
    import re2

    compiled: re.Pattern[bytes] = re2.compile(expression.encode())
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
