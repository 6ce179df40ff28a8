"""Mask text on its way out, restore the reply on its way in.

    masked = masker.mask("mail ada@example.org")      # "mail [EMAIL_K7Q2M9X4RT]"
    masked.restore("wrote to **email k7q2m9x4rt**")    # "wrote to **email ada@example.org**"

Laws, for every text ``x``, every policy and every way to cut a reply into chunks:

    restore(mask(x)) == x            (what was redacted aside, which comes back as its label)
    mask(mask(x)) == mask(x)         for tokens and redactions
    "".join(map(r.feed, chunks)) + r.finish() == restore("".join(chunks))

How a reply is read: ``mask.restore``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from itertools import islice
from typing import Protocol

from ahocorasick_rs import MatchKind

from masquerade.errors import Blocked
from masquerade.keys import Key
from masquerade.mask import scanner
from masquerade.mask.detections import Detections
from masquerade.mask.find import Lookout
from masquerade.mask.guard import Guard
from masquerade.mask.people import wholes
from masquerade.mask.policy import NAMES_FIND, Policy, Replies
from masquerade.mask.restore import (
    LITTLE,
    Lexicon,
    Restorer,
    automaton,
    likenesses,
    shadow,
    stands_alone,
    trail,
)
from masquerade.mask.span import KINDS, Fate, Finder, Span, outside
from masquerade.mask.surrogate import BODY_LENGTH, TOKEN, Mint, Surrogate, body_ok, canonical, project

_PASSES = 4
"""Times a text is read at most, so that no text costs more than this many plain ones."""

_STANDARD = Policy()
# An enum member costs more to look up than a global.
_TOKEN, _PLAUSIBLE, _REDACT, _BLOCK = Fate.TOKEN, Fate.PLAUSIBLE, Fate.REDACT, Fate.BLOCK


class Book(Protocol):
    """Remembers surrogates beyond one call of :meth:`Masker.mask_all`."""

    def get(self, needle: str) -> Surrogate | None:
        """What stands under ``needle``, or None."""

    def put(self, surrogate: Surrogate) -> None:
        """Remember ``surrogate`` under its needle."""


# -- masking -------------------------------------------------------------------------------------------


class Masker:
    """Masks texts for one tenant under one policy. Immutable and safe to share between threads.

    The same value gets the same surrogate from every ``Masker`` with the same key, tenant and policy,
    unless that surrogate already stands in the text for something else.

    With a ``cache``, what was found in a text is known when it comes again; a finder must then always say the
    same of a text.
    """

    def __init__(
        self,
        key: Key,
        policy: Policy = _STANDARD,
        tenant: str = "default",
        finders: Sequence[Finder] = (),
        *,
        cache: Detections | None = None,
    ) -> None:
        self.policy, self.tenant, self.key_id = policy, tenant, key.id
        self._mint = Mint(key.tenant(tenant))
        self._retired = tuple(Mint(old.tenant(tenant)) for old in key.retired)
        self._lookout = Lookout(policy, finders)
        self._drawer = None if cache is None else cache.drawer()
        self._kinds = frozenset((*KINDS, *policy.own_kinds, *policy.fates))
        self._fates = _Fates(policy, self._kinds)
        self._states = self._mint.prf.states

    def __repr__(self) -> str:
        return f"Masker(key={self.key_id}, policy={self.policy.version}, tenant={self.tenant!r})"

    def find(self, text: str, *, mentions: bool = True) -> list[Span]:
        """What would be masked in ``text``: sorted and disjoint. Tokens and redactions are passed over.

        Without ``mentions``, a name that is found in one place is not looked for in all others: what is found
        depends on what is near alone.
        """
        tokens = _tokens_in(text, self._kinds)
        spans, ragged = self._lookout.look(_blank(text, tokens) if tokens else text, mentions)
        if tokens:
            spans = outside(spans, tokens, text)
        return self._beside(text, spans, tokens) if ragged or tokens else spans

    def _known(self, text: str) -> list[Span]:
        """:meth:`find`, or what it found before."""
        drawer = self._drawer
        if drawer is None or len(text) < self._lookout.worth_keeping:
            return self.find(text)
        name = drawer.name(text)
        found = drawer.get(name)
        if found is None:
            found = self.find(text)
            drawer.put(name, found)
        return found

    def _beside(self, text: str, spans: list[Span], tokens: list[tuple[int, int]]) -> list[Span]:
        """``spans``, and what stood hidden next to them or ``tokens`` until these are covered."""
        zones = sorted([*tokens, *((start, end) for start, end, _, _ in spans)])
        for _ in range(_PASSES):
            more = outside(self._lookout.find_again(_blank(text, zones)), zones, text)
            if not more:
                break
            spans = sorted([*spans, *more])
            zones = sorted([*zones, *((start, end) for start, end, _, _ in more)])
        return spans

    def _named_in_any(self, texts: tuple[str, ...], found: tuple[list[Span], ...]) -> tuple[list[Span], ...]:
        """``found``, and the names among them in all other texts, in whole and in part."""
        more = self._lookout.mentions(texts, found)
        if not any(more):
            return found
        _check_places(texts, found)
        return tuple(
            _joined(spans, new, _tokens_in(text, self._kinds), text) if new else spans
            for text, spans, new in zip(texts, found, more, strict=True)
        )

    def find_all(
        self, texts: Sequence[str], places: Sequence[list[Span]] | None = None
    ) -> tuple[list[Span], ...]:
        """What :meth:`mask_all` would mask in texts that belong together; ``places`` as there."""
        texts = tuple(texts)
        found = tuple(map(self._known, texts)) if places is None else tuple(places)
        if len(texts) > 1:
            found = self._named_in_any(texts, found)
        return self._wherever_they_stand(texts, _as_rules_know(texts, found, self._fates))

    def _wherever_they_stand(
        self, texts: tuple[str, ...], found: tuple[list[Span], ...]
    ) -> tuple[list[Span], ...]:
        """``found``, the same values wherever else they stand, and what stood hidden next to those."""
        for _ in range(_PASSES):
            more = _wherever_they_stand(texts, found, self._kinds)
            if more is found or [*map(len, more)] == [*map(len, found)]:
                break
            found = tuple(
                spans if len(spans) == len(old) else self._beside(text, spans, _tokens_in(text, self._kinds))
                for text, spans, old in zip(texts, more, found, strict=True)
            )
        return found

    def mask(self, text: str) -> Masked:
        """:meth:`mask_all` for one text."""
        return self.mask_all((text,))

    def mask_all(
        self, texts: Sequence[str], book: Book | None = None, places: Sequence[list[Span]] | None = None
    ) -> Masked:
        """Mask texts that belong together, so that one :class:`Masked` restores a reply to all of them.

        With a ``book``, surrogates are also kept apart from those of earlier calls with that book, and a
        token of the book that stands in the input as plain text is itself masked (a plausible value is not
        recognised there: use tokens for what must come back bit for bit). ``places`` are what
        :meth:`find` has found, for a caller who gave it more to look at than is to be masked: for each text
        its own, sorted and disjoint.

        A value with a digit in it that was found in one place is masked in all others too, where nothing
        around it gives it away: a password stands behind its label once, and then in a command. So is a name
        that was found in one text, and what may stand for it, in the others.

        Raises:
            Blocked: something was found whose fate is ``block``.
            ValueError: places, or what a finder found, are not sorted, disjoint and within their text.
        """
        texts = tuple(texts)
        found = self.find_all(texts, places)
        if book is not None:
            found = tuple(_with_known(text, spans, book) for text, spans in zip(texts, found, strict=True))
        if book is None and (masked := self._replace_in_c(texts, found)):
            return masked
        number = _number(found)
        fates = {kind: self._fates[kind] for kind in number}
        blocked = {kind: number[kind] for kind, fate in fates.items() if fate is _BLOCK}
        if blocked:
            raise Blocked(blocked)
        masked = self._replace(texts, found, fates, book)
        if _PLAUSIBLE in fates.values() and not masked._comes_back(texts):
            fates = {kind: _TOKEN if fate is _PLAUSIBLE else fate for kind, fate in fates.items()}
            masked = self._replace(texts, found, fates, book)
        if book is not None:
            for surrogate in masked._surrogates:
                if book.get(surrogate.needle) is None:
                    book.put(surrogate)
        return masked

    def _replace(
        self,
        texts: tuple[str, ...],
        found: tuple[list[Span], ...],
        fates: dict[str, Fate],
        book: Book | None,
    ) -> Masked:
        places = [
            (kind, text[start:end])
            for text, spans in zip(texts, found, strict=True)
            for start, end, kind, _ in spans
        ]
        crowded: set[tuple[str, str]] = set()
        if _PLAUSIBLE in fates.values():
            for text, spans in zip(texts, found, strict=True):
                crowded |= {
                    (kind, text[start:end])
                    for start, end, kind, _ in spans
                    if fates[kind] is _PLAUSIBLE
                    and not stands_alone(text[max(0, start - 4) : start], text[end : end + 3], kind)
                }
        shown = dict.fromkeys(places, "")
        surrogates = self._assign(shown, fates, crowded, texts, book)
        stand_ins = map(shown.__getitem__, places)
        outputs = tuple(
            _filled(text, [span[:2] for span in spans], islice(stand_ins, len(spans)))
            for text, spans in zip(texts, found, strict=True)
        )
        return Masked(outputs, found, surrogates, fates, self.policy.replies)

    def _replace_in_c(self, texts: tuple[str, ...], found: tuple[list[Span], ...]) -> Masked | None:
        """What :meth:`_replace` gives, where all becomes tokens and labels and no two stand-ins clash."""
        built = scanner.whole()
        quick = built and built.inner.replace(
            texts, found, self._fates, self._states, canonical, shadow, Surrogate, _TOKEN, _REDACT
        )
        if not quick:
            return None
        outputs, surrogates = quick
        if self._retired:
            surrogates += self._former(surrogates, texts)
        return Masked(outputs, found, surrogates, self._fates, self.policy.replies)

    def _assign(
        self,
        shown: dict[tuple[str, str], str],
        fates: dict[str, Fate],
        crowded: set[tuple[str, str]],
        texts: tuple[str, ...],
        book: Book | None,
    ) -> list[Surrogate]:
        """Fill ``shown``: (kind, value) to what is written instead. Returns what can be restored."""
        first: list[Surrogate] = []
        token = self._mint.token
        for place in shown:
            kind, value = place
            fate = fates[kind]
            if fate is _TOKEN or place in crowded:
                first.append(token(kind, value))
            elif fate is _PLAUSIBLE:
                first.append(self._mint.plausible(kind, value) or token(kind, value))
            else:
                shown[place] = f"[{kind}_REDACTED]"
        if not first:
            return []
        readable = shadow(texts)
        searched: set[str] = set()
        clashing: set[str] = set()
        tries, attempt = first, 0
        while tries:  # the text is searched once for all that clash, not once for each
            needles = [surrogate.needle for surrogate in tries]
            hits = _among(readable, needles)
            searched.update(needles)
            clashing |= hits
            attempt += 1
            tries = [
                _again(self._mint, surrogate, attempt) for surrogate in tries if surrogate.needle in hits
            ]
        taken: dict[str, Surrogate] = {}
        for surrogate in first:
            text, needle, original, kind, _ = surrogate
            if needle in clashing or needle in taken or book is not None:
                attempt = 0
                while _differs(taken, book, surrogate) or needle in (
                    clashing if needle in searched else readable
                ):
                    attempt += 1
                    surrogate = _again(self._mint, surrogate, attempt)  # noqa: PLW2901
                    needle = surrogate.needle
                text = surrogate.text
            taken[needle] = surrogate
            shown[kind, original] = text
        surrogates = list(taken.values())
        if book is None:  # a book remembers former ones by itself
            surrogates += self._former(surrogates, texts)
        return surrogates

    def _former(self, surrogates: list[Surrogate], texts: tuple[str, ...]) -> list[Surrogate]:
        """What stood for the same values under retired keys, as far as it can be told from all else."""
        taken = {surrogate.needle for surrogate in surrogates}
        former: list[Surrogate] = []
        for mint in self._retired if surrogates else ():
            old = [_again(mint, surrogate, 0) for surrogate in surrogates]
            taken |= _among(shadow(texts), [one.needle for one in old])
            for one in old:
                if one.needle not in taken:
                    taken.add(one.needle)
                    former.append(one)
        return former


class _Fates(dict[str, Fate]):
    """The fate of each kind; that of one that a finder made up, when it is first met."""

    def __init__(self, policy: Policy, kinds: Iterable[str]) -> None:
        super().__init__((kind, policy.fate(kind)) for kind in kinds)
        self._policy = policy

    def __missing__(self, kind: str) -> Fate:
        fate = self[kind] = self._policy.fate(kind)
        return fate


class Masked:
    """Masked texts, and the way back. ``repr`` shows counts only."""

    def __init__(
        self,
        texts: tuple[str, ...],
        spans: tuple[list[Span], ...],
        surrogates: Sequence[Surrogate],
        fates: Mapping[str, Fate],
        replies: Replies = _STANDARD.replies,
    ) -> None:
        self.texts, self.all_spans = texts, spans
        self._surrogates, self._fates, self._replies = surrogates, fates, replies

    @cached_property
    def counts(self) -> dict[str, dict[str, int]]:
        """Kind to fate to number of places."""
        return {kind: {self._fates[kind].value: n} for kind, n in _number(self.all_spans).items()}

    @cached_property
    def redacted(self) -> dict[str, int]:
        """Kind to number of places that do not come back."""
        return {kind: fates[_REDACT] for kind, fates in self.counts.items() if _REDACT in fates}

    @property
    def text(self) -> str:
        """The only masked text."""
        (text,) = self.texts
        return text

    @property
    def spans(self) -> list[Span]:
        """What was found in the first text; offsets are into the original."""
        return self.all_spans[0]

    @property
    def surrogates(self) -> tuple[Surrogate, ...]:
        """What stands for what; these hold the originals, so they stay on this side."""
        return tuple(self._surrogates)

    @cached_property
    def links(self) -> dict[str, str]:
        """From the token of a part of somebody's name to that of the whole, where only one can be meant.

        "Lovelace" and "Ms. Lovelace" beside "Ada Lovelace": three tokens, for each comes back as it stood.
        """
        tokens: dict[str, str] = {}
        for text, _, original, kind, fate in self._surrogates:
            if kind == "PERSON" and fate is _TOKEN:
                tokens.setdefault(original, text)
        return {tokens[part]: tokens[whole] for part, whole in wholes(tokens).items()}

    @cached_property
    def lexicon(self) -> Lexicon:
        """What a reply can be restored by."""
        return Lexicon(self._surrogates)

    @cached_property
    def guard(self) -> Guard | None:
        """What keeps originals from going to somebody outside, unless the policy says that they may."""
        return self.guard_of(self.lexicon)

    def guard_of(self, lexicon: Lexicon) -> Guard | None:
        """The same where a reply is restored by a ``lexicon`` that has more."""
        if self._replies.links == "restore":
            return None
        return Guard(self._replies.hosts, partial(trail, lexicon, self.texts))

    def restore(self, reply: str) -> str:
        """``reply`` with the originals in place, as far as the policy lets them go where they stand."""
        return self.restorer().restore(reply)

    def restorer(self, escape: Callable[[str], str] | None = None) -> Restorer:
        """A :class:`Restorer` for one reply that comes in chunks."""
        return Restorer(self.lexicon, escape, self.guard)

    def _comes_back(self, texts: tuple[str, ...]) -> bool:
        known = {s.original for s in self._surrogates}  # redactions never come back, and need not
        for text, masked, spans in zip(texts, self.texts, self.all_spans, strict=True):
            values = ((text[start:end], kind) for start, end, kind, _ in spans)
            expected = (value if value in known else f"[{kind}_REDACTED]" for value, kind in values)
            if self.lexicon.restore(masked) != _filled(text, [span[:2] for span in spans], expected):
                return False
        return True

    def __repr__(self) -> str:
        return f"Masked(texts={len(self.texts)}, counts={self.counts})"


def _number(found: tuple[list[Span], ...]) -> dict[str, int]:
    """How often each kind was found."""
    number: dict[str, int] = {}
    for spans in found:
        for span in spans:
            kind = span[2]
            number[kind] = number.get(kind, 0) + 1
    return number


def _again(mint: Mint, surrogate: Surrogate, attempt: int) -> Surrogate:
    """Another surrogate for the same value; a token once the plausible range is exhausted."""
    _, _, value, kind, fate = surrogate
    drawn = mint.plausible(kind, value, attempt) if fate is _PLAUSIBLE else None
    return drawn or mint.token(kind, value, attempt)


def _differs(taken: dict[str, Surrogate], book: Book | None, candidate: Surrogate) -> bool:
    """Whether the candidate's needle already stands for something else."""
    other = taken.get(candidate.needle)
    if other is None and book is not None:
        other = book.get(candidate.needle)
    return other is not None and (other.original != candidate.original or other.text != candidate.text)


def _tokens_in(text: str, kinds: frozenset[str]) -> list[tuple[int, int]]:
    """Where tokens with a right check, and redactions, already stand; a label with a digit must be a kind."""
    if "[" not in text:
        return []
    return [
        m.span()
        for m in TOKEN.finditer(text)
        if (m[1] in kinds or (len(m[1]) <= _LONGEST_KIND and m[1].replace("_", "").isalpha()))
        and (m[2] is None or body_ok(m[2]))
    ]


_LONGEST_KIND = 31


def _blank(text: str, zones: list[tuple[int, int]]) -> str:
    return _filled(text, zones, ("\0" * (end - start) for start, end in zones))


def _filled(text: str, places: Iterable[tuple[int, int]], pieces: Iterable[str]) -> str:
    """``text`` with a piece in each of its places."""
    parts: list[str] = []
    at = 0
    for (start, end), piece in zip(places, pieces, strict=True):
        parts += text[at:start], piece
        at = end
    return "".join(parts) + text[at:]


_SHORTEST_ELSEWHERE = 6
_SHORTEST_WITHIN = 8
_DIGIT = re.compile(r"[0-9]")
_HALF = re.compile("[\ud800-\udfff]")
"""Halves of characters, which no automaton takes."""


def _wherever_they_stand(
    texts: tuple[str, ...], found: tuple[list[Span], ...], kinds: frozenset[str]
) -> tuple[list[Span], ...]:
    """``found``, and the same values wherever else they stand for themselves; secrets also within words."""
    built = scanner.whole()
    if built:
        if not built.inner.repeats(texts, found):
            return found
    else:
        _check_places(texts, found)
    texts = tuple(text if text.isascii() else _HALF.sub("\ufffd", text) for text in texts)
    known: dict[str, Span] = {}
    for text, spans in zip(texts, found, strict=True):
        for span in spans:
            value = text[span[0] : span[1]]
            if value not in known and _is_telling(value):
                known[value] = span
    values = list(known)
    many = len(values) * sum(map(len, texts)) >= LITTLE
    search = automaton(values, MatchKind.LeftmostLongest) if many else None
    more = []
    for text, spans in zip(texts, found, strict=True):
        if search:
            hits = [(a, b) for _, a, b in search.find_matches_as_indexes(text)]
        else:
            hits = [(a, a + len(v)) for v in values if v in text for a in _places_of(v, text)]
        if len(hits) > len(spans) or not {span[:2] for span in spans}.issuperset(hits):
            spans = _with_hits(text, spans, hits, known, kinds)  # noqa: PLW2901
        more.append(spans)
    return tuple(more)


def _as_rules_know(
    texts: tuple[str, ...], found: tuple[list[Span], ...], fates: Mapping[str, Fate]
) -> tuple[list[Span], ...]:
    """``found``, where what rules know in one place is of that kind in all, whatever a model took it for.

    Not where that would be less strict; and what is taken for something that only holds such a value is of
    the value's kind where that is stricter.
    """
    guesses = {
        (span[2], text[span[0] : span[1]])
        for text, spans in zip(texts, found, strict=True)
        for span in spans
        if span[2] in NAMES_FIND
    }
    guesses = {(kind, value) for kind, value in guesses if _is_telling(value)}
    if not guesses:
        return found
    known: dict[str, Span] = {}
    for text, spans in zip(texts, found, strict=True):
        for span in spans:
            if span[2] not in NAMES_FIND and _is_telling(value := text[span[0] : span[1]]):
                other = known.setdefault(value, span)
                if fates[span[2]].strictness > fates[other[2]].strictness:
                    known[value] = span
    better = _known_of(guesses, known, fates) if known else {}
    if not better:
        return found

    def told(text: str, span: Span) -> Span:
        one = better.get((span[2], text[span[0] : span[1]])) if span[2] in NAMES_FIND else None
        return span if one is None else span._replace(kind=one[2], score=one[3])

    return tuple([told(text, span) for span in spans] for text, spans in zip(texts, found, strict=True))


def _known_of(
    guesses: set[tuple[str, str]], known: dict[str, Span], fates: Mapping[str, Fate]
) -> dict[tuple[str, str], Span]:
    """Of each guess that is, or holds, a known value: what is to be told of it instead."""
    least = min(fates[kind].strictness for kind, _ in guesses)
    stricter = [value for value, span in known.items() if fates[span[2]].strictness > least]
    many = len(stricter) * sum(len(guess) for _, guess in guesses) >= LITTLE
    whole = {_HALF.sub("\ufffd", value): known[value] for value in stricter} if many else {}
    search, told = automaton(list(whole), MatchKind.LeftmostLongest) if many else None, list(whole.values())
    better: dict[tuple[str, str], Span] = {}
    for kind, guess in guesses:
        strictness = fates[kind].strictness
        same = known.get(guess)
        if same is not None and fates[same[2]].strictness >= strictness:
            better[kind, guess] = same
            continue
        if search:
            found = search.find_matches_as_indexes(_HALF.sub("\ufffd", guess))
            hits = [(told[i], a, b) for i, a, b in found]
        else:
            hits = [(known[v], a, a + len(v)) for v in stricter if v in guess for a in _places_of(v, guess)]
        for one, start, end in hits:
            if fates[one[2]].strictness > strictness and _is_itself(guess, start, end, one[2]):
                better[kind, guess], strictness = one, fates[one[2]].strictness
    return better


def _check_places(texts: tuple[str, ...], found: tuple[list[Span], ...]) -> None:
    for text, spans in zip(texts, found, strict=True):
        done = 0
        for start, end, *_ in spans:
            if not done <= start <= end <= len(text):
                raise ValueError("spans are sorted, disjoint and within their text")
            done = end


def _places_of(value: str, text: str) -> Iterator[int]:
    at = text.find(value)
    while at >= 0:
        yield at
        at = text.find(value, at + 1)


def _with_hits(
    text: str,
    spans: list[Span],
    hits: list[tuple[int, int]],
    known: dict[str, Span],
    kinds: frozenset[str],
) -> list[Span]:
    new: list[Span] = []
    done = 0
    for start, end in sorted(hits, key=lambda hit: (hit[0], -hit[1])):
        _, _, kind, score = known[text[start:end]]
        if end > done and _is_itself(text, start, end, kind):
            new.append(Span(max(start, done), end, kind, score))
            done = end
    return _joined(spans, new, _tokens_in(text, kinds), text)


def _joined(spans: list[Span], new: list[Span], tokens: list[tuple[int, int]], text: str) -> list[Span]:
    """``spans``, and ``new`` ones outside of them and of ``tokens``."""
    zones = sorted([*tokens, *((start, end) for start, end, _, _ in spans)])
    return sorted([*spans, *outside(new, zones, text)])


def _is_telling(value: str) -> bool:
    """Whether a value says enough to be looked for without what is around it."""
    return len(value) >= _SHORTEST_ELSEWHERE and _DIGIT.search(value) is not None


def _is_itself(text: str, start: int, end: int, kind: str) -> bool:
    """Whether a known value stands there for itself: a secret may also do so within a word."""
    within = kind == "SECRET" and end - start >= _SHORTEST_WITHIN
    return within or not (_in_word(text[start - 1 : start]) or _in_word(text[end : end + 1]))


def _in_word(char: str) -> bool:
    return char.isascii() and char.isalnum()


def _with_known(text: str, spans: list[Span], book: Book) -> list[Span]:
    """``spans``, with tokens of the book that stand in ``text`` as plain text; new ones are remembered."""
    literal = []
    for start, end, body in likenesses(text):
        needle = project(body)
        known = book.get(needle) if len(needle) == BODY_LENGTH else None
        if known is not None and known.fate is not Fate.KEEP:
            literal.append((start, end))
        elif known is None and body_ok(needle):
            book.put(Surrogate(text[start:end], needle, text[start:end], "TOKEN", Fate.KEEP))
    if not literal:
        return spans
    return sorted([*outside(spans, literal, text), *(Span(a, b, "TOKEN", 1.0) for a, b in literal)])


def _among(readable: str, needles: list[str]) -> set[str]:
    """Those of ``needles`` that occur in ``readable``."""
    if len(needles) * len(readable) < LITTLE:
        return {needle for needle in needles if needle in readable}
    found = automaton(needles).find_matches_as_indexes(readable, overlapping=True)
    return {needles[i] for i, _, _ in found}
