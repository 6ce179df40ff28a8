"""Finding: the rules in one linear pass, and beside them a policy's own lists, patterns and finders.

    find_rules(text)               every form that the table knows, overlapping and unjudged
    Lookout(policy).find(text)     what the policy says about them: disjoint spans, to be masked

Rules read the text in the plain form of ``normal.py``; offsets always come back in the text that was given.
"""

from __future__ import annotations

import math
import re
from array import array
from collections.abc import Iterable, Iterator, Sequence

import re2
from ahocorasick_rs import AhoCorasick, MatchKind

from masquerade.errors import EngineProblem, PolicyProblem
from masquerade.mask import scanner
from masquerade.mask.expressions import readied
from masquerade.mask.normal import Normal, lowered
from masquerade.mask.policy import NAMES_FIND, Pattern, Policy, Words
from masquerade.mask.rules import Found, rules
from masquerade.mask.span import Finder, Span, outside

_CONTEXT_REACH = 48
"""Characters on either side of a match in which a pattern's context words are looked for."""

_QUICK = 512
"""Characters that the scanner in C reads in the time that a hash and a look into a table take."""

_DIGIT = re.compile(r"[0-9]")
_span = tuple.__new__  # a named tuple's own constructor costs twice as much


def find_rules(text: str) -> list[Span]:
    """Every built-in form in ``text``, sorted by place; spans may overlap and scores are not judged.

    Time is linear in the length of ``text``, whatever it holds.
    """
    return [Span(*found) for found in sorted(_find_rules(Normal(text)))]


def _find_rules(plain: Normal) -> list[Found]:
    built = scanner.whole()
    found: list[Found] = (built.inner if built else rules()).find(plain.text)
    if plain.same_offsets:
        return found
    return [(*plain.original(start, end), kind, score) for start, end, kind, score in found]


def _sure(spans: Iterable[Found]) -> Iterator[Found]:
    """``spans``, of which all have a score: what is no number reaches no threshold, and would be lost."""
    for span in spans:
        if math.isnan(span[3]):
            raise EngineProblem("a finder gave a score that is no number, so nothing is known of its find")
        yield span


_RAGGED_BEFORE = re.compile(r"(?:[0-9+][ ().\-/]?|[A-Za-z@_]|[A-Za-z][./\-])\Z")
_RAGGED_AFTER = re.compile(r"[ ().\-/]?[0-9]|[A-Za-z@_]|[.:/+\-][A-Za-z]")


def _ragged(text: str, spans: Sequence[Found]) -> bool:
    """Whether a span ends where its text seems to go on, so that the rest may count as something else."""
    return any(
        _RAGGED_AFTER.match(text, end) or _RAGGED_BEFORE.search(text[max(0, start - 2) : start])
        for start, end, kind, _ in spans
        if kind not in NAMES_FIND  # what stands beside a name is seen as well as it ever will be
    )


# -- what a policy makes of it -------------------------------------------------------------------------


class Lookout:
    """Rules, lists, patterns and finders under one policy; compiled once, used by many threads.

    Args:
        policy: fates, thresholds, lists and patterns.
        finders: further callables ``text -> spans``. An exception from one of them is not caught: text that
            could not be looked at must not be sent.

    Raises:
        PolicyProblem: the policy names models, and fewer were passed: what they would find would be sent.
    """

    def __init__(self, policy: Policy, finders: Sequence[Finder] = ()) -> None:
        if len(finders) < len(policy.finder.models):
            passed = "fewer finders were passed" if finders else "no finder was passed"
            raise PolicyProblem(
                f"[finder] names models, and {passed}: load them with serve.finders.finders",
                line=policy.finder.line,
            )
        self._policy = policy
        self._finders = tuple(finders)
        self._denied = [(words.kind or "", _Matcher(words)) for words in policy.deny]
        self._allowed = [(words.kind, _Matcher(words)) for words in policy.allow]
        self._patterns = [_OwnPattern(pattern) for pattern in policy.patterns]
        self._verdicts = _Verdicts(policy)
        self._names = policy.finder.names and any(self._verdicts[kind][1] for kind in NAMES_FIND)
        self._least = {kind: self._verdicts[kind][0] for kind in NAMES_FIND}
        plain = policy.rules and not (self._finders or policy.deny or policy.allow or policy.patterns)
        self._scanner = scanner.whole() if plain else None
        self._judgement = self._for_scanner()

    @property
    def worth_keeping(self) -> int:
        """Characters from which on it costs less to know a text again than to look at it again."""
        return _QUICK if self._scanner and not self._names else 1

    def _for_scanner(self) -> bytes:
        kinds = self._scanner.kinds if self._scanner else ()
        return array("d", [number for kind in kinds for number in self._verdicts[kind]]).tobytes()

    def look(self, text: str, mentions: bool = True) -> tuple[list[Span], bool]:
        """:meth:`find`, and whether a span ends where the text seems to go on: more may stand there."""
        if not self._names and (looked := self._look_in_c(text, False)):
            return looked
        plain = Normal(text)
        if not self._names and plain.same_offsets and (looked := self._look_in_c(plain.text, True)):
            return looked
        return self._find(text, plain, mentions=mentions)

    def find_again(self, text: str) -> list[Span]:
        """:meth:`find` without names: what stands beside values that were found, and are covered now."""
        looked = self._look_in_c(text, False)
        return (looked or self._find(text, Normal(text), names=False))[0]

    def mentions(self, texts: Sequence[str], found: Sequence[list[Span]]) -> Sequence[list[Span]]:
        """Where in any of ``texts`` the names among what was ``found`` in each stand too, or a part of one.

        Sorted, disjoint, and outside of what was found. Nothing under a policy without our own names.
        """
        if not self._names or not any(span[2] in NAMES_FIND for spans in found for span in spans):
            return ()
        from masquerade.mask.names import shipped

        plain = [Normal(text) for text in texts]
        taken = [_in_plain(one, spans) for one, spans in zip(plain, found, strict=True)]
        names = [[span for span in spans if span[2] in NAMES_FIND] for spans in taken]
        more = shipped().elsewhere([one.text for one in plain], names, taken)
        return [
            [
                span
                for start, end, kind, score in spans
                if not self._is_allowed(text, span := Span(*one.original(start, end), kind, score))
            ]
            for text, one, spans in zip(texts, plain, more, strict=True)
        ]

    def find(self, text: str) -> list[Span]:
        """What is to be masked in ``text``: sorted, disjoint, offsets into ``text``.

        Finds below their kind's threshold, allowed ones, and kinds that are kept are left out; denied words
        are never left out. Where several overlap, one span covers them all and takes the strictest fate; or
        several do, where a name and a form with a digit overlap.
        """
        return self.look(text)[0]

    def _look_in_c(self, text: str, plain: bool) -> tuple[list[Span], bool] | None:
        """:meth:`look` by the scanner in C, of a ``plain`` text or one it finds to be so; else None."""
        if self._scanner is None:
            return None
        looked: tuple[list[Span], bool] | None = self._scanner.inner.look(text, self._judgement, Span, plain)
        return looked

    def _find(
        self, text: str, plain: Normal, names: bool = True, mentions: bool = True
    ) -> tuple[list[Span], bool]:
        found = _find_rules(plain) if self._policy.rules else []
        if self._names and names:
            from masquerade.mask.names import shipped  # loads NumPy and a network, for those who need them

            found.extend(shipped().find(plain, mentions, self._least))
        for finder in self._finders:
            found.extend(_sure(finder(text)))
        for own in self._patterns:
            found.extend(own.find(plain))
        verdicts = self._verdicts
        found = [span for span in found if span[3] >= verdicts[span[2]][0]]
        if self._allowed and found:
            found = [span for span in found if not self._is_allowed(text, span)]
        for kind, matcher in self._denied:
            if verdicts[kind][1]:
                found.extend((start, end, kind, 1.0) for start, end in matcher.find(plain))
        ragged = _ragged(plain.text if plain.same_offsets else text, found)  # a name may cover what is so
        if len(found) > 1:
            found = self._merge(text, found)
        return [_span(Span, span) for span in found], ragged

    def _is_allowed(self, text: str, span: Found) -> bool:
        value = text[span[0] : span[1]]
        return any(kind in (None, span[2]) and matcher.is_whole(value) for kind, matcher in self._allowed)

    def _merge(self, text: str, spans: list[Found]) -> list[Found]:
        """Overlapping spans as one: it covers all of them, of the kind whose fate is strictest.

        Among equally strict ones the kind that covers most decides, then that which has a form, for names are
        guesses, then the better score.
        """
        spans.sort()
        merged: list[Found] = []
        first, end = 0, spans[0][1]
        for index in range(1, len(spans)):
            span = spans[index]
            if span[0] < end:
                if span[1] > end:
                    end = span[1]
            else:
                merged += spans[first:index] if index - first == 1 else self._parted(text, spans[first:index])
                first, end = index, span[1]
        merged += spans[first:] if len(spans) - first == 1 else self._parted(text, spans[first:])
        return merged

    def _parted(self, text: str, group: list[Found]) -> list[Found]:
        """A group as one; but forms with a digit stay apart from names: their values are known wherever
        else they stand."""
        whole = self._one(group)
        forms = [span for span in group if span[2] not in NAMES_FIND]
        if not forms or len(forms) == len(group):
            return [whole]
        forms = [form for form in self._merge(text, forms) if _DIGIT.search(text, form[0], form[1])]
        strictness = self._verdicts[whole[2]][1]
        kept = [
            _span(Span, form if self._verdicts[form[2]][1] == strictness else (*form[:2], *whole[2:]))
            for form in forms
        ]
        zones = [form[:2] for form in kept]
        return sorted([*kept, *outside([_span(Span, whole)], zones, text)])

    def _one(self, group: list[Found]) -> Found:
        verdicts = self._verdicts
        best = max(group, key=lambda s: (verdicts[s[2]][1], s[1] - s[0], s[2] not in NAMES_FIND, s[3]))
        return group[0][0], max(span[1] for span in group), best[2], best[3]


def _in_plain(plain: Normal, spans: list[Span]) -> list[Span]:
    """``spans`` of a text as spans of its plain form."""
    if plain.same_offsets:
        return spans
    here = plain.here
    return [Span(here(start), here(end), kind, score) for start, end, kind, score in spans]


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
    """A list of words or expressions, found in a text's plain form."""

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

    def find(self, plain: Normal) -> Iterator[tuple[int, int]]:
        """Where a word stands, not as a part of a longer ASCII word; or where an expression matches."""
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

    def find(self, plain: Normal) -> Iterator[Span]:
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
