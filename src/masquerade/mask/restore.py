"""Put the originals back into a reply, however a model has dressed the stand-ins.

A reply is searched for *needles*: the part of a surrogate that survives a model, its letters and digits
(``surrogate.project``). Around a token's needle the restorer takes with it the label and the brackets, in
whatever form they came back; a plausible value must come back as it was, spacing aside. It is one pass:
what was put back is never read again. What only looks like a token is left as it is and counted; so is a
stand-in that would go to somebody outside (``mask.guard``).

    "".join(map(r.feed, chunks)) + r.finish() == restore("".join(chunks))      for every way to cut
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property, lru_cache
from itertools import compress
from operator import itemgetter

from ahocorasick_rs import AhoCorasick, Implementation, MatchKind

from masquerade.mask.escapes import HALF, HALF_LENGTH, SPECIAL, decoded
from masquerade.mask.guard import LOOK, Guard, Steps, Trail, Watch
from masquerade.mask.normal import is_plain
from masquerade.mask.span import KINDS, Fate, ReplyFate
from masquerade.mask.surrogate import (
    BARRIER,
    BODY_LENGTH,
    PROJECTION,
    SEPARATED,
    TOKEN,
    Surrogate,
    project,
)

LITTLE = 40_000
"""Needles times characters up to which one search for each is cheaper than an automaton."""


def automaton(words: list[str], kind: MatchKind = MatchKind.Standard) -> AhoCorasick:
    """For a few words that serve one reply: quick to build."""
    return AhoCorasick(words, matchkind=kind, implementation=Implementation.NoncontiguousNFA)


def shadow(texts: Iterable[str]) -> str:
    """All that a restorer could read in ``texts``, and perhaps more: other letters may be left out."""
    return BARRIER.join(map(_shadow, texts))


_DOTLESS = "\u0131"
"""The only other letter of usual text that is read as a symbol of a body: as I, and so as 1."""


def _shadow(text: str) -> str:
    text = decoded(text)[0]
    if not text.isascii() and _DOTLESS not in text and is_plain(text):
        text = text.encode("ascii", "ignore").decode()
    return project(text)


# -- what may stand around a needle --------------------------------------------------------------------

_INVISIBLE = "\u00ad\u200b-\u200f\u2060-\u2064\ufeff"
_INNER = rf"[\s*_~\\{_INVISIBLE}]"  # between a bracket and what it holds
_JOINT = rf"[\s*_~\\＿\-\u2010-\u2015\uff0d{_INVISIBLE}]"  # between a label and a body
_SQUARE_OPEN, _SQUARE_CLOSE = "[［【〔「〖《", "]］】〕」〗》"
_OTHER_OPEN, _OTHER_CLOSE = "<＜(（{｛", ">＞)）}｝"
_OPENS = re.escape(_SQUARE_OPEN + _OTHER_OPEN)
_BRACKET = re.compile(f"[{re.escape(_SQUARE_OPEN + _SQUARE_CLOSE + _OTHER_OPEN + _OTHER_CLOSE)}]")
_PARTNERS = dict.fromkeys(_SQUARE_OPEN, _SQUARE_CLOSE) | {
    a: _OTHER_CLOSE[i & ~1 : (i | 1) + 1] for i, a in enumerate(_OTHER_OPEN)
}

# These four read backwards: they are matched on the reverse of what stands before a place.
_OPEN_BEFORE = re.compile(rf"{_INNER}{{0,4}}([{_OPENS}])\\{{0,3}}")
_LABEL_BEFORE = re.compile(
    rf"[_＿\-\u2010-\u2015\\]{{1,3}}\w{{1,24}}{_INNER}{{0,4}}([{re.escape(_SQUARE_OPEN)}])\\{{0,3}}"
)
_MAY_OPEN = re.compile(
    rf"{_JOINT}{{0,6}}\w{{0,24}}{_INNER}{{0,4}}[{re.escape(_SQUARE_OPEN)}]\\{{0,3}}"
    rf"|{_INNER}{{0,4}}[{re.escape(_OTHER_OPEN)}]\\{{0,3}}"
)
_BEFORE = 48

_HOLDS_ITS_BRACKET = re.compile(r"[0-9A-Za-z\]］】}$^]")  # f(x), [text](target), \textbf{x}
_JOINED = re.compile(rf"{_JOINT}{{0,6}}")
_CLOSE_AFTER = re.compile(rf"{_INNER}{{0,4}}([{re.escape(_SQUARE_CLOSE + _OTHER_CLOSE)}])")
_ONLY_INNER = re.compile(rf"{_INNER}{{0,4}}")


_LIKELY = re.compile(
    r"\[[A-Z][A-Z0-9_]*_(?!REDACTED\])([0-9A-Z]{8,12})\]"
    r"|[_ ＿\\-](?=[A-Za-z]{0,11}[0-9])(?=[0-9]{0,11}[A-Za-z])([0-9A-Za-z]{8,12})(?![0-9A-Za-z])"
)


@lru_cache(maxsize=64)
def _label_ends(kinds: frozenset[str]) -> re.Pattern[str]:
    """A label at the very end; ``kinds`` are those that are not built in."""
    names = [r"[_ ＿\\-]{0,3}".join(kind.split("_")) for kind in (*KINDS, *kinds)] + list(KINDS.values())
    label = "|".join(sorted(names, key=len, reverse=True))
    return re.compile(rf"(?<![0-9A-Za-z])(?i:{label})[_ ＿\\-]{{1,3}}\Z")


def likenesses(text: str, kinds: frozenset[str] = frozenset()) -> Iterator[tuple[int, int, str]]:
    """What looks like a token: its own form with any body, or a known label before something like a body."""
    for found in _LIKELY.finditer(text):
        start, end = found.span()
        if found[1]:
            yield start, end, found[1]
        elif label := _label_ends(kinds).search(text, max(0, start + 1 - _LONGEST_LOOSE), start + 1):
            yield label.start(), end, found[2]


_LONGEST_LOOSE = 64


# -- restoring -----------------------------------------------------------------------------------------

_NOISE = 40
"""Characters that may stand in between those of one needle, in all."""

_MOST_EDITS = 1 << 16
"""Originals whose places are remembered, for offsets into a reply."""

_FIRST = itemgetter(0)

_SLACK = 8
"""The same for a label."""


@lru_cache(maxsize=256)
def _labels(kind: str) -> tuple[str, ...]:
    """What a token of this kind may be called, as symbols."""
    return tuple(dict.fromkeys(project(name) for name in (kind, KINDS.get(kind, kind))))


_KEEP, _PLAUSIBLE = Fate.KEEP, Fate.PLAUSIBLE  # an enum member costs more to look up than a global


class _Entry:
    """A surrogate made ready for comparing."""

    __slots__ = ("kind", "labels", "lead", "needle", "original", "plausible", "strict", "value")

    def __init__(self, surrogate: Surrogate) -> None:
        self.kind, self.original, self.needle = surrogate.kind, surrogate.original, surrogate.needle
        self.plausible = surrogate.fate is _PLAUSIBLE
        self.labels: tuple[str, ...] = ()
        self.lead = ""
        self.value = surrogate.text
        self.strict = surrogate.kind not in SEPARATED
        if not self.plausible:
            self.labels = _labels(surrogate.kind)
            return
        text, at = surrogate.text, len(surrogate.text)
        left = len(surrogate.needle)
        while left:
            at -= 1
            left -= len(project(text[at]))
        self.lead, self.value = text[:at], text[at:]


class Lexicon:
    """The surrogates that replies are restored by. Immutable; made once, shared by restorers."""

    def __init__(self, surrogates: Iterable[Surrogate]) -> None:
        known = {s.needle: s for s in surrogates if s.fate is not _KEEP}
        self._surrogates = known
        self._exact = {s.text: s for s in known.values() if s.fate is not _PLAUSIBLE}
        self._needles = list(known)
        self._shortest = min(map(len, self._needles), default=0)

    def __repr__(self) -> str:
        return f"Lexicon({len(self._needles)} surrogates)"

    def restore(self, reply: str) -> str:
        """A whole reply with the originals in place."""
        return Restorer(self).restore(reply)

    @cached_property
    def _address_labels(self) -> tuple[str, ...]:
        """How tokens begin that stand for whole addresses."""
        return tuple({f"[{s.kind}_" for s in self._exact.values() if s.kind == "URL" or "://" in s.original})

    @cached_property
    def _automaton(self) -> AhoCorasick:
        return automaton(self._needles)

    @cached_property
    def _openings(self) -> tuple[dict[str, list[str]], int]:
        """Needles and labels by their first symbol and by their first two, and the longest one's length."""
        openings: dict[str, list[str]] = {}
        words = [*self._needles, *self._labels]
        for word in words:
            openings.setdefault(word[:1], []).append(word)
            openings.setdefault(word[:2], []).append(word)
        return openings, max(map(len, words), default=0)

    @cached_property
    def _own_kinds(self) -> frozenset[str]:
        return frozenset([s.kind for s in self._surrogates.values()]).difference(KINDS)

    @cached_property
    def _labels(self) -> frozenset[str]:
        """What may be taken along before a needle."""
        kinds = {s.kind for s in self._surrogates.values() if s.fate is not _PLAUSIBLE}
        labels = {label for kind in kinds for label in _labels(kind)}
        return frozenset(labels | {project(lead) for lead in self._signs} - {""})

    @cached_property
    def _signs(self) -> frozenset[str]:
        """What plausible values have before their needle."""
        plausible = [s.needle for s in self._surrogates.values() if s.fate is _PLAUSIBLE]
        return frozenset([self._entries[needle].lead for needle in plausible])

    @cached_property
    def _entries(self) -> dict[str, _Entry]:
        return {needle: _Entry(surrogate) for needle, surrogate in self._surrogates.items()}

    @cached_property
    def _leads(self) -> tuple[str, ...]:
        """What signs plausible values begin with, up to their first letter or digit."""
        leads = {re.match(r"[^0-9A-Za-z]*", lead)[0] for lead in self._signs if lead}  # type: ignore[index]
        return tuple({lead[:k] for lead in leads | {"("} if leads for k in range(1, len(lead) + 1)})

    @cached_property
    def _reach(self) -> int:
        """No surrogate is longer than this in a reply, from its label to the end of its needle."""
        longest_label = max(map(len, self._labels), default=0)
        return max(map(len, self._needles)) + longest_label + _NOISE + _SLACK

    def _unfinished(self, symbols: str, symbol: int, near: int) -> int:
        """The first symbol of what may be the beginning of a surrogate, or the end of ``symbols``.

        Nothing before ``symbol`` belongs to it, and needles and labels that begin before ``near`` came to
        nothing.
        """
        openings, longest = self._openings
        first = total = len(symbols)
        for at in range(max(symbol, near, total - longest), total):
            for word in openings.get(symbols[at : at + 2], ()):
                tail = symbols[at:]
                if not word.startswith(tail):
                    continue
                if word in self._labels:
                    first = min(first, at)
                elif word != tail:
                    before = [len(label) for label in self._labels if symbols.endswith(label, symbol, at)]
                    first = min(first, at - max(before, default=0))
        return first

    def _search(self, symbols: str) -> list[tuple[int, int, _Entry]]:
        """Every place of every needle, by start and then longest first."""
        found = []
        if len(self._needles) * len(symbols) < LITTLE:
            for needle in self._needles:
                if needle not in symbols:
                    continue
                at = symbols.find(needle)
                while at >= 0:
                    found.append((at, at + len(needle), self._entries[needle]))
                    at = symbols.find(needle, at + 1)
        else:
            for i, start, end in self._automaton.find_matches_as_indexes(symbols, overlapping=True):
                found.append((start, end, self._entries[self._needles[i]]))
        if len(found) > 1:
            found.sort(key=lambda hit: (hit[0], -hit[1]))
        return found


class _View:
    """A stretch of a reply: as read (escapes decoded), its symbols, and what stood before it."""

    __slots__ = ("_places", "_symbol_places", "before", "closed", "end", "final", "symbols", "text")

    def __init__(self, raw: str, before: str, closed: bool, final: bool) -> None:
        self.text, self._places = decoded(raw)
        self.symbols = self.text.translate(PROJECTION)
        self.before, self.closed, self.final = before, closed, final
        self.end = len(self.text)
        self._symbol_places: list[int] | None = None

    def place(self, symbol: int) -> int:
        """Where in ``text`` a symbol stands."""
        if self._symbol_places is None:
            kept = map(PROJECTION.__getitem__, map(ord, self.text))
            self._symbol_places = list(compress(range(self.end), kept))
        return self._symbol_places[symbol]

    def symbol(self, place: int) -> int:
        """The first symbol that stands at ``place`` in ``text`` or behind it."""
        if place <= 0:
            return 0
        return len(self.text[:place].translate(PROJECTION))

    def raw(self, place: int) -> int:
        """A place in ``text`` as an offset in the raw stretch."""
        return place if self._places is None else self._places[place]


class Restorer:
    """Puts the originals back into one reply that comes in chunks.

    Every way to cut the reply gives the same text. What may be the beginning of a surrogate is held back,
    at most some hundred characters; the rest of each chunk comes out at once. ``escape`` is applied to
    each original as it is put back (say, for the inside of a JSON string).

    With a ``guard``, stand-ins that would go to somebody outside are left as they are. To judge one, what
    follows it is waited for: one character, or a host's name. ``fate`` may be stricter, for a text that
    is acted upon: ``withhold`` leaves all, ``inside`` leaves all if the text names anybody outside, so that
    it comes at the end only. ``behind`` is how an earlier text was :attr:`left`, if this one is shown right
    behind it.
    """

    def __init__(
        self,
        known: Lexicon | Iterable[Surrogate],
        escape: Callable[[str], str] | None = None,
        guard: Guard | None = None,
        *,
        fate: ReplyFate = "restore",
        behind: Watch | None = None,
    ) -> None:
        self._lexicon = known if isinstance(known, Lexicon) else Lexicon(known)
        self._escape = escape
        self._guard = guard
        self._watch = None
        if guard is not None and fate != "withhold":
            self._watch = Watch(guard, escape is not None) if behind is None else behind.after("")
        self._tell: Callable[[str], object] = len if self._watch is None else self._watch.pending.append
        self._whole: list[str] | None = [] if fate == "inside" else None
        self.forbids = fate == "withhold"
        """Whether nothing at all is put back."""
        self._held = ""
        self._before = ""  # the last characters of the reply that have gone out
        self._gone = 0  # how many characters of the reply have been dealt with
        self._edits: list[tuple[int, int, int]] = []  # of each original: end and start in the reply, shift
        self._leftover: list[str] = []
        self._unresolved = 0
        self.restored = 0
        """Places where an original was put back."""
        self.withheld = 0
        """Places where one was not, for it would have gone to somebody outside."""

    def __repr__(self) -> str:
        return f"Restorer(restored={self.restored}, held={len(self._held)})"

    @property
    def unresolved(self) -> int:
        """Places that look like a token and were left: garbled beyond its check, or not known here."""
        return self._unresolved + sum(
            1 for _ in likenesses("".join(self._leftover), self._lexicon._own_kinds)
        )

    def moved(self, offset: int) -> int:
        """Where a character of the reply stands in what came out; one of a stand-in: where the original does.

        Exact for what has come out already.
        """
        at = bisect_right(self._edits, offset, key=_FIRST)
        if at < len(self._edits):
            offset = min(offset, self._edits[at][1])
        return offset + (self._edits[at - 1][2] if at else 0)

    @property
    def left(self) -> Watch | None:
        """What the guard has to know of this text to read one that is shown right behind it."""
        return None if self._watch is None else self._watch.after(self._held)

    def feed(self, chunk: str) -> str:
        """The next piece of the reply, as far as it is certain."""
        if self._whole is not None:
            self._whole.append(chunk)
            return ""
        raw = self._held + chunk
        place = self._glance(raw, False)
        if place is None:
            return self._advance(raw, False)
        self._held = raw[place:]
        if not place:
            return ""
        sure = raw[:place]
        self._pass(sure)
        return sure

    def finish(self) -> str:
        """The rest of the reply."""
        if self._whole is not None:
            return self.restore("".join(self._whole))
        return self._advance(self._held, True)

    def restore(self, reply: str) -> str:
        """A whole reply at once, in place of ``feed`` and ``finish``."""
        if self._whole is not None and self.reaches_out(reply):
            self.forbids, self._watch, self._tell = True, None, len
        self._whole = None
        return self._advance(reply, True)

    def reaches_out(self, text: str) -> bool:
        """Whether ``text`` names somebody outside, in clear or by a stand-in."""
        if (self._guard or Guard()).reaches_out(text, self._escape is not None):
            return True
        hits = self._lexicon._search(_shadow(text)) if self._lexicon._needles else []
        return any(entry.kind in ("URL", "IP_ADDRESS") or "://" in entry.original for _, _, entry in hits)

    def _advance(self, raw: str, final: bool) -> str:
        lexicon = self._lexicon
        self._held = ""
        if not lexicon._needles:
            self._leave(raw)
            return raw
        out: list[str] = []
        at = 0
        if "[" in raw and "]" in raw:
            exact = [(m, s) for m in TOKEN.finditer(raw) if (s := lexicon._exact.get(m[0])) is not None]
            gaps = []
            for found, _ in exact:
                gaps.append(raw[at : found.start()])
                at = found.end()
            simple = len(exact) > 1 and not lexicon._search(_shadow(BARRIER.join(gaps)))
            calm = not (self.forbids or self._watch) or (
                simple and self._is_calm(raw, final or at < len(raw))
            )
            for number, (gap, (found, surrogate)) in enumerate(zip(gaps, exact, strict=True)):
                start, end = found.span()
                if simple:
                    out.append(gap)
                    self._gone += len(gap)
                    if not calm and gap:
                        self._tell(gap)
                elif gap:
                    used = self._stretch(gap, True, False, out, raw[start : start + LOOK], final)
                    if used < len(gap):
                        self._held = raw[start - len(gap) + used :]
                        return "".join(out)
                if calm or (self._watch is not None and self._watch.passes(surrogate, raw[end : end + 2])):
                    self._put(surrogate.original, found[0], out)
                elif not self._settle_one(surrogate, found[0], raw[end : end + LOOK], final, out):
                    if simple:
                        self._leave("\n".join(gaps[: number + 1]))
                    self._held = raw[start:]
                    return "".join(out)
                self._before = "]"
                if not simple:
                    self._leave("\n")
            if simple:
                self._leave("\n".join([*gaps, ""]))
                if calm and self._watch is not None:
                    self._watch.forget()
        if rest := raw[at:]:
            used = self._stretch(rest, final, final, out, "", final)
            self._held = rest[used:]
        return "".join(out)

    def _is_calm(self, raw: str, whole: bool) -> bool:
        """Whether no token of ``raw`` can stand in an address or be one."""
        labels = self._lexicon._address_labels
        calm = whole and not any(label in raw for label in labels)
        return calm and self._watch is not None and self._watch.calm(raw)

    def _settle_one(
        self, known: Surrogate | _Entry, stand_in: str, after: str, ended: bool, out: list[str]
    ) -> bool:
        """Put back what ``stand_in`` stands for, or leave it; False: what follows must be known first."""
        fate = not self.forbids
        if self._watch is not None:
            verdict = self._watch.judge(known, after, ended)
            if verdict is None:
                return False
            fate = verdict
        if fate:
            self._put(known.original, stand_in, out)
        else:
            out.append(stand_in)
            self._gone += len(stand_in)
            self.withheld += 1
        return True

    def _put(self, original: str, stand_in: str, out: list[str]) -> None:
        """Write an original in place of its stand-in."""
        length = len(stand_in)
        if self._escape is not None:
            original = self._escape(original)
        out.append(original)
        self.restored += 1
        start, self._gone = self._gone, self._gone + length
        if len(self._edits) < _MOST_EDITS:
            shift = self._edits[-1][2] if self._edits else 0
            self._edits.append((self._gone, start, shift + len(original) - length))

    def _stretch(self, raw: str, closed: bool, final: bool, out: list[str], after: str, ended: bool) -> int:
        """Restore a stretch in which no token stands exactly; returns how much of it was certain.

        ``closed``: nothing after it can belong to it; ``after`` is what follows all the same, and with
        ``ended`` the reply has nothing beyond.
        """
        place = self._glance(raw, closed)
        if place is not None:
            if place:
                out.append(raw[:place])
                self._pass(raw[:place])
            return place
        half = None
        if not closed and SPECIAL.search(raw):
            half = HALF.search(raw, max(0, len(raw) - HALF_LENGTH))
        view = _View(raw[: half.start()] if half else raw, self._before, closed, final)
        lexicon = self._lexicon
        symbols = view.symbols
        hits = lexicon._search(symbols) if len(symbols) >= lexicon._shortest else []
        stop = self._certain(view, 0, 0)
        done, symbol = 0, 0
        for first, last, entry in hits:
            if first < symbol:
                continue
            where = self._fit(view, first, last, entry, symbol, done)
            if where is None:
                continue
            left, right, sure = where
            if stop < left:
                break
            if not sure:
                stop = left
                break
            self._plain(raw, view.raw(done), view.raw(left), out)
            start, end = view.raw(left), view.raw(right)
            follows = raw[end : end + LOOK]
            if not self._settle_one(entry, raw[start:end], (follows + after)[:LOOK], ended, out):
                done = stop = left
                break
            self._leave("\n")
            done, symbol = right, last
            if stop < right:
                stop = self._certain(view, symbol, done)
        stop = max(stop, done)
        self._plain(raw, view.raw(done), view.raw(stop), out)
        self._before = (self._before + view.text[max(0, stop - 4) : stop])[-4:]
        return view.raw(stop)

    def _glance(self, raw: str, closed: bool) -> int | None:
        """What :meth:`_stretch` says of a short and quiet text, at a fifth of the cost; None of any other.

        A last bracket that may begin a token is held back as if the reply had been cut before it.
        """
        lexicon = self._lexicon
        end = len(raw)
        if not lexicon._needles:
            return end
        if not closed:
            if end > lexicon._reach:
                return None
            if "[" in raw:
                end = raw.rindex("[")
                if not _TOKEN_BEGINS.fullmatch(raw, end):
                    return None
        if not _QUIET.fullmatch(raw, 0, end) or raw.endswith(lexicon._leads, 0, end):
            return None
        symbols = project(raw[:end])
        if len(symbols) >= lexicon._shortest and lexicon._search(symbols):
            return None
        if closed:
            return end
        left = len(symbols) - lexicon._unfinished(symbols, 0, 0)
        while left:
            end -= 1
            left -= raw[end].isalnum()
        return end

    def _pass(self, text: str) -> None:
        """Something went out as it was."""
        self._gone += len(text)
        self._tell(text)
        self._before = text[-4:] if len(text) >= 4 else (self._before + text)[-4:]
        self._leave(text)

    def _plain(self, raw: str, start: int, end: int, out: list[str]) -> None:
        if start < end:
            out.append(raw[start:end])
            self._gone += end - start
            self._tell(raw[start:end])
            self._leave(raw[start:end])

    def _certain(self, view: _View, symbol: int, done: int) -> int:
        """The place from which on something unfinished may stand; nothing before ``done`` counts."""
        if view.closed:
            return view.end
        near = view.symbol(view.end - self._lexicon._reach)
        first = self._lexicon._unfinished(view.symbols, symbol, near)
        place = view.place(first) if first < len(view.symbols) else view.end
        opening = _MAY_OPEN.match(view.text[max(done, place - _BEFORE) : place][::-1])
        if opening:
            return place - opening.end()
        for lead in self._lexicon._leads:
            if view.text.endswith(lead, done, place):
                return place - len(lead)
        return place

    def _fit(
        self, view: _View, first: int, last: int, entry: _Entry, symbol: int, done: int
    ) -> tuple[int, int, bool] | None:
        """Where the surrogate whose needle was hit begins and ends, and whether that is certain yet."""
        start, end = view.place(first), view.place(last - 1) + 1
        if end - start > last - first + _NOISE:
            return None
        fit = self._fit_plausible if entry.plausible else self._fit_token
        return fit(view, first, start, end, entry, symbol, done)

    def _fit_token(
        self, view: _View, first: int, start: int, end: int, entry: _Entry, symbol: int, done: int
    ) -> tuple[int, int, bool] | None:
        text = view.text
        if end - start > BODY_LENGTH and _BRACKET.search(text, start, end):
            return None
        head, joint = start, ""
        for label in entry.labels:
            if view.symbols.endswith(label, symbol, first):
                place = view.place(first - len(label))
                gap = text[view.place(first - 1) + 1 : start]
                if start - place <= len(label) + _SLACK and _JOINED.fullmatch(gap):
                    if not _BRACKET.search(text, place, start):
                        head, joint = place, gap
                    break
        labelled = head < start
        before = text[max(done, start - _BEFORE) : head][::-1]
        opening = _OPEN_BEFORE.match(before) or (None if labelled else _LABEL_BEFORE.match(before))
        if opening and opening[1] in _OTHER_OPEN:
            outer = head - opening.end()
            previous = text[outer - 1] if outer else view.before[-1:]
            if not labelled or _HOLDS_ITS_BRACKET.match(previous):
                opening = None
        if opening:
            closing = _CLOSE_AFTER.match(text, end)
            if closing and closing[1] in _PARTNERS[opening[1]]:
                return head - opening.end(), closing.end(), True
            if not closing and _ONLY_INNER.fullmatch(text, end) and (view.final or not view.closed):
                return head - opening.end(), end, view.final
        if not labelled:
            return start, end, True
        name = text[head : head + 1]
        if not joint.strip() and not (name.isascii() and text[head:start] == text[head:start].upper()):
            return start, end, True
        stars = "*" * joint.count("*")
        if stars and text.startswith(stars, end):
            end += len(stars)
        elif stars and not view.closed and stars.startswith(text[end:]):
            return head, end, False
        return head, end, True

    def _fit_plausible(
        self, view: _View, first: int, start: int, end: int, entry: _Entry, symbol: int, done: int
    ) -> tuple[int, int, bool] | None:
        text, lead = view.text, entry.lead
        region, value = text[start:end], entry.value
        if region != value and not _alike(region, value, entry.strict):
            return None
        left = start
        if text.endswith(lead, done, start):
            left -= len(lead)
        elif (code := _signless(lead)) and view.symbols.endswith(code, symbol, first):
            place = view.place(first - len(code))
            if start - place <= len(lead) + _SLACK and _signless(text[place:start]) == code:
                signs = lead[: len(lead) - len(lead.lstrip("+("))]
                left = place - (len(signs) if text.endswith(signs, done, place) else 0)
        if left == start and (lead or region != value) and ")" in region.partition("(")[0]:
            left -= text.endswith("(", done, start)
        if not stands_alone(
            (view.before + text[max(0, left - 4) : left])[-4:], text[end : end + 3], entry.kind
        ):
            return None if view.closed or view.end - end >= 3 else (left, end, False)
        return left, end, view.closed or view.end - end >= 3

    # -- what looks like a token and is none ---------------------------------------------------------

    def _leave(self, text: str) -> None:
        self._leftover.append(text)
        if len(self._leftover) > 1024:
            self._settle()

    def _settle(self) -> None:
        """Count what is complete, and keep only what may still become a token's likeness."""
        if self._watch is not None:
            self._watch.tidy()
        text = "".join(self._leftover)
        at, keep = 0, max(0, len(text) - _LONGEST_LOOSE)
        for start, end, _ in likenesses(text, self._lexicon._own_kinds):
            if end > keep:
                keep = min(keep, start)
                break
            self._unresolved += 1
            at = end
        self._leftover = [text[max(at, keep) :]]


def trail(lexicon: Lexicon, texts: Iterable[str]) -> Steps:
    """The addresses that stand in masked ``texts`` with stand-ins in them, for a :class:`Guard`."""
    guard = Trail()
    for text in texts:
        Restorer(lexicon, guard=guard).restore(text)
    return guard.steps


_QUIET = re.compile(r"[A-Za-z0-9 ,.;:'\"!?\n\u3001\u3002\u4e00-\u9fff\uff0c\uff1a]*")
"""Text with nothing that could belong to a surrogate but its letters and digits."""

_TOKEN_BEGINS = re.compile(r"\[[A-Z0-9_]*")

_FORMATTING = re.compile(rf"[\\*{_INVISIBLE}]")
_SPACING = re.compile(rf"[\s().:/\\*\u2010-\u2015\-{_INVISIBLE}]")
_TOUCHES_BEFORE = re.compile(r"[0-9A-Za-z]\Z|(?<![^0-9A-Za-z]1)[0-9A-Za-z][.\-@+]\Z")
_TOUCHES_AFTER = re.compile(r"[0-9A-Za-z]|[.\-@][0-9A-Za-z]")


def _signless(text: str) -> str:
    return "".join(filter(str.isalnum, text))


def _alike(region: str, value: str, strict: bool) -> bool:
    """Whether a plausible value came back as it was, formatting (and, unless ``strict``, spacing) aside."""
    drop = _FORMATTING if strict else _SPACING
    return drop.sub("", region).casefold() == drop.sub("", value).casefold()


def stands_alone(before: str, after: str, kind: str) -> bool:
    """Whether a plausible value stands for itself here, not as a part of something longer."""
    if kind == "IP_ADDRESS" and (before.endswith(":") or re.match(r":[0-9A-Fa-f:]*[:A-Fa-f]", after)):
        return False
    return not _TOUCHES_BEFORE.search(before) and not _TOUCHES_AFTER.match(after)
