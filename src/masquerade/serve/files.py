"""Files and pipes: masked, restored or searched in pieces, so that memory does not grow with the input.

    bytes -> lines -> pieces of text, cut where no value stands -> masked pieces -> bytes
                   \\-> records of JSON or CSV, their leaves masked in place

A piece is cut only at a place where the finder sees the same with the cut and without it, on both sides; so a
private key over fifty lines, or a label whose value is on the next line, is never parted, wherever the
reads of the file end. What stands under the final names is whole or not there: see ``landing.py``.
"""

from __future__ import annotations

import codecs
import re
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from ahocorasick_rs import AhoCorasick

from masquerade.errors import BadInput
from masquerade.mask.expressions import is_endless, is_unbounded
from masquerade.mask.restore import Lexicon, Restorer, likenesses
from masquerade.mask.span import KINDS, Span
from masquerade.mask.surrogate import BARRIER, BODY_LENGTH, body_ok, project
from masquerade.mask.text import Masker
from masquerade.serve.formats import LONGEST, Csv, Form, Json, Leaf
from masquerade.serve.landing import Landing, writing
from masquerade.serve.source import Source
from masquerade.serve.vault import Vault

Format: TypeAlias = Literal["text", "jsonl", "json", "csv"]

FORMATS: Mapping[str, Format] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "csv",
}
"""Formats by the name's ending; everything else is text."""

_PIECE = 1 << 18
_LONG_LINE = 1 << 20
_REACH = 2048
"""Characters on either side of a cut that are looked at; no rule looks further from a value for its label."""
_TRIES = 64
_MOST_BEGINS = 1 << 16
"""Beginnings of plausible values that are kept in memory; whether one goes on as it must, the vault knows."""
_LONGEST_KEY = 1 << 17
"""Characters for which the end of a private key is waited for."""
_BETWEEN = "\x1e"  # parts the leaves of one call; it is a barrier to the restorer


@dataclass(frozen=True)
class Options:
    """How a file is to be read. ``format`` None: by its name.

    ``on_error`` says what becomes of a line that cannot be read: the run stops, or the line is set aside,
    unmasked, into a file of its own, and the output goes on without it.
    """

    format: Format | None = None
    encoding: str = "utf-8"
    on_error: Literal["stop", "skip"] = "stop"
    columns: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    delimiter: str | None = None
    header: bool = True

    def notes(self, name: str) -> dict[str, str]:
        """What restoring must know of these options when the file has another name by then."""
        notes = {"format": self._format(name), "encoding": self.encoding}
        return notes | ({"delimiter": self._delimiter(name)} if notes["format"] == "csv" else {})

    def _format(self, name: str) -> Format:
        return self.format or FORMATS.get(Path(name).suffix.lower(), "text")

    def _delimiter(self, name: str) -> str:
        return self.delimiter or ("\t" if name.lower().endswith(".tsv") else ",")

    def form(self, name: str, *, restoring: bool = False) -> Form | None:
        """The form of the file called ``name``; None for text.

        Raises:
            BadInput: columns without CSV, fields without JSON, or an impossible delimiter.
        """
        chosen = self._format(name)
        if self.columns and chosen != "csv":
            raise BadInput(f"columns are for CSV, and this is read as {chosen}: give the format")
        if self.fields and chosen not in ("json", "jsonl"):
            raise BadInput(f"fields are for JSON, and this is read as {chosen}: give the format")
        if chosen == "csv":
            return Csv(delimiter=self._delimiter(name), header=self.header, columns=self.columns)
        if chosen == "text":
            return None
        return Json(whole=chosen == "json", fields=self.fields, restoring=restoring)


@dataclass
class Summary:
    """What was done, in numbers."""

    input: str
    output: str
    bytes: int = 0
    seconds: float = 0.0
    rejected: int = 0
    """Lines that were set aside."""
    vault: str | None = None
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    """Places found, by kind and fate."""
    redacted: dict[str, int] = field(default_factory=dict)
    """Places whose value does not come back, by kind."""
    restored: int = 0
    unresolved: int = 0
    """What looks like a token, and is damaged or of another vault: left as it is."""

    def add(self, counts: Mapping[str, Mapping[str, int]], redacted: Mapping[str, int]) -> None:
        """Adds the counts of one piece."""
        for kind, fates in counts.items():
            mine = self.counts.setdefault(kind, {})
            for fate, n in fates.items():
                mine[fate] = mine.get(fate, 0) + n
        for kind, n in redacted.items():
            self.redacted[kind] = self.redacted.get(kind, 0) + n


class Found(NamedTuple):
    """One find: 1-based line and column (in characters), kind, score, and the value itself."""

    line: int
    column: int
    kind: str
    score: float
    value: str

    def __repr__(self) -> str:
        return f"Found(line={self.line}, column={self.column}, kind={self.kind}, score={self.score})"


# The three verbs ----------------------------------------------------------------------------------------


def mask_file(
    source: Source, landing: Landing, masker: Masker, options: Options, vault: Vault | None = None
) -> Summary:
    """Masks ``source`` into ``landing``, and into a new ``vault`` what it takes to restore it.

    Nothing is in place before ``landing.land()``.

    Raises:
        BadInput: a line that cannot be read, under ``on_error="stop"``; carries the line.
        Blocked: the policy forbids a value that was found.
        OutputProblem: a file cannot be made or written.
    """
    form = options.form(source.name)
    summary = Summary(source.name, landing.name, vault=landing.vault_name if vault is not None else None)
    with writing("the vault"):
        _run(_Reading(source, options, form), landing, _Mask(masker, vault, summary), summary)
        if vault is not None:
            vault.notes.update(options.notes(source.name) | (form.notes if form else {}))
            vault.finish()
    return summary


def restore_file(source: Source, landing: Landing, vault: Vault, options: Options) -> Summary:
    """The inverse of :func:`mask_file`, with the vault that it filled.

    Tokens that the vault does not know, or that are too damaged to be known, stay and are counted.

    Raises:
        BadInput: as :func:`mask_file`.
        Tampered: an entry of the vault does not authenticate.
        OutputProblem: a file cannot be made or written.
    """
    form = options.form(source.name, restoring=True)
    if form is not None:
        form.notes.update(vault.notes)
    summary = Summary(source.name, landing.name, vault=str(vault.path))
    _run(_Reading(source, options, form), landing, _Restore(vault, summary), summary)
    return summary


def find_file(source: Source, masker: Masker, options: Options) -> Iterator[Found]:
    """Every find in ``source``, in order, as it is read.

    Raises:
        BadInput: a line that cannot be read; under ``on_error="skip"`` it is passed over.
    """
    form = options.form(source.name)
    reading = _Reading(source, options, form)
    work = _Mask(masker, None, Summary(source.name, ""))
    if form is None:
        for line, column, text in reading.pieces(work.cut):
            yield from _located(line, column, text, ((span.start, span, text) for span in work.spans(text)))
        return
    for line, block, leaves in reading.records(form):
        places = (
            (form.place(block, leaf, span.start), span, leaf.text)
            for leaf, spans in zip(leaves, work.leaf_spans(leaves), strict=True)
            for span in spans
        )
        yield from _located(line, 1, block, places)


def _located(line: int, column: int, text: str, places: Iterable[tuple[int, Span, str]]) -> Iterator[Found]:
    """Places in ``text``, in order, as lines and columns; ``text`` begins at ``line`` and ``column``."""
    at = 0
    for place, span, holder in places:
        if newlines := text.count("\n", at, place):
            line, column = line + newlines, 1
            at = text.rfind("\n", at, place) + 1
        yield Found(line, column + place - at, span.kind, span.score, holder[span.start : span.end])


def _run(reading: _Reading, landing: Landing, work: _Mask | _Restore, summary: Summary) -> None:
    start = time.monotonic()
    if reading.options.on_error == "skip":
        reading.reject = landing.reject
    landing.write(reading.mark)
    for text in _worked(reading, work):
        landing.write(reading.encoded(text))
    summary.rejected = landing.rejected
    summary.bytes, summary.seconds = reading.source.offset, time.monotonic() - start


def _worked(reading: _Reading, work: _Mask | _Restore) -> Iterator[str]:
    form = reading.form
    if form is None:
        for _, _, text in reading.pieces(work.cut):
            yield work.text(text)
        return
    for _, block, leaves in reading.records(form):
        at = 0
        parts: list[str] = []
        for leaf, text in zip(leaves, work.leaves(leaves), strict=True):
            if text != leaf.text or leaf.form == "marked":
                parts += block[at : leaf.start], form.write(leaf, text)
                at = leaf.end
        parts.append(block[at:])
        yield "".join(parts)


# Reading ------------------------------------------------------------------------------------------------


class _Reading:
    """An input as text: its lines, and of these either pieces of text or records."""

    def __init__(self, source: Source, options: Options, form: Form | None) -> None:
        self.source, self.options, self.form = source, options, form
        self.codec = _codec(options.encoding)
        self.reject: Callable[[bytes], None] | None = None
        if options.on_error == "skip":
            self.reject = lambda _: None
        self.mark = source.take(codecs.BOM_UTF8) if self.codec == "utf-8" else b""
        """The byte order mark, if there is one: it stays where it is."""

    def encoded(self, text: str) -> bytes:
        """``text`` in the input's encoding.

        Raises:
            BadInput: it has characters that the encoding lacks.
        """
        try:
            return text.encode(self.codec)
        except UnicodeEncodeError:
            raise self._bad(f"the result has characters that {self.codec} lacks", None) from None

    def _bad(self, message: str, line: int | None) -> BadInput:
        return BadInput(message, source=self.source.name, line=line)

    def lines(self) -> Iterator[tuple[int, str, bool]]:
        """(number of the first line, whole lines, False), and at the end ("", True).

        A line of text, but not of records, may come in several parts when it is longer than a read.
        """
        data, line, offset = b"", 1, len(self.mark)
        while more := self.source.read():
            data += more
            cut = data.rfind(b"\n", len(data) - len(more)) + 1
            if not cut and len(data) > _LONG_LINE:
                if self.form is not None and len(data) > LONGEST:
                    raise self._bad(f"a line of more than {LONGEST >> 20} MiB", line)
                cut = 0 if self.form is not None else self._whole_characters(data, line, offset)
            if cut:
                yield from self._decoded(data[:cut], line, offset)
                line, offset, data = line + data.count(b"\n", 0, cut), offset + cut, data[cut:]
        if data:
            yield from self._decoded(data, line, offset)
        yield line + data.count(b"\n"), "", True

    def _whole_characters(self, data: bytes, line: int, offset: int) -> int:
        decoder = codecs.getincrementaldecoder(self.codec)()
        try:
            decoder.decode(data)
        except UnicodeDecodeError as problem:
            raise self._broken(line, offset + problem.start) from None
        return len(data) - len(decoder.getstate()[0])

    def _broken(self, line: int, offset: int) -> BadInput:
        return self._bad(
            f"byte {offset:,} of the file is no {self.codec} text: name its encoding with --encoding, "
            "or set such lines aside with --on-error skip",
            line,
        )

    def _decoded(self, data: bytes, line: int, offset: int) -> Iterator[tuple[int, str, bool]]:
        bad = self._undecodable(data)
        if bad is None:
            yield line, data.decode(self.codec), False
            return
        if self.reject is None:
            raise self._broken(line + data.count(b"\n", 0, bad), offset + bad)
        for raw in re.findall(rb"[^\n]*\n|[^\n]+", data):
            if self._undecodable(raw) is None:
                yield line, raw.decode(self.codec), False
            else:
                self.reject(raw)
            line += 1

    def _undecodable(self, data: bytes) -> int | None:
        """Where ``data`` is not what the encoding would write, or None."""
        try:
            text = data.decode(self.codec)
            again = data if self.codec == "utf-8" else text.encode(self.codec)
        except UnicodeDecodeError as problem:
            return problem.start
        except UnicodeEncodeError:
            again = b""
        if again == data:
            return None
        return next((i for i, (a, b) in enumerate(zip(again, data, strict=False)) if a != b), len(again))

    def pieces(self, cut: Callable[[str, bool], int]) -> Iterator[tuple[int, int, str]]:
        """(line, column, text): all of the text, parted where ``cut`` says that it is safe.

        ``cut(text, last)`` gives the length of the next piece; 0 asks for more text.
        """
        held, line, column, expected, goal = "", 1, 1, 1, _PIECE
        for number, text, last in self.lines():
            if last or number != expected:  # the end, or lines in between were set aside
                if held:
                    yield line, column, held[: cut(held, True)]
                held, line, column = "", number, 1
            held += text
            expected = number + text.count("\n")
            while len(held) >= goal:
                size = cut(held[:goal], False)  # so that the pieces do not depend on how much came at once
                if not size:
                    self._check_length(held, line)
                    goal *= 2
                    continue
                yield line, column, held[:size]
                newlines = held.count("\n", 0, size)
                column = size - held.rfind("\n", 0, size) if newlines else column + size
                held, line, goal = held[size:], line + newlines, _PIECE

    def records(self, form: Form) -> Iterator[tuple[int, str, list[Leaf]]]:
        """(line, block, leaves): all of the records, with the places in them that may be private."""
        held, line, goal = "", 1, 0
        for number, text, last in self.lines():
            if not held:
                line = number
            held += text
            while held and (last or len(held) >= goal):
                try:
                    leaves, used, bad = form.scan(held, line, last)
                except BadInput as problem:
                    raise self._bad(str(problem), problem.line) from None
                if used:
                    yield line, held[:used], leaves
                if bad is not None:
                    if self.reject is None:
                        raise self._bad(bad.message, bad.line)
                    self.reject(self.encoded(held[bad.start : bad.end]))
                    used = bad.end
                line, held = line + held.count("\n", 0, used), held[used:]
                if bad is None:
                    break
            self._check_length(held, line)
            goal = 2 * len(held)
        try:
            form.complete()
        except BadInput as problem:
            raise self._bad(str(problem), None) from None

    def _check_length(self, held: str, line: int) -> None:
        if len(held) > LONGEST:
            raise self._bad(f"what begins here is longer than {LONGEST >> 20} MiB", line)


def _codec(encoding: str) -> str:
    """The canonical name of an encoding in which lines can be told apart byte by byte.

    Raises:
        BadInput: there is no such encoding, or its line ends are not the byte 10.
    """
    try:
        name = codecs.lookup(encoding).name
        plain = "a\n".encode(name) == b"a\n" and b"a\n".decode(name) == "a\n"
    except (LookupError, UnicodeError):
        raise BadInput("no such text encoding: try utf-8, gb18030, big5, shift_jis or latin-1") from None
    if name == "utf-8-sig":
        return "utf-8"
    if not plain or name in ("utf-7", "hz") or name.startswith("iso2022"):
        raise BadInput(f"{name} is not read line by line: convert the file first, as with iconv -t utf-8")
    return name


# Working ------------------------------------------------------------------------------------------------


class _Mask:
    """Masks pieces and leaves."""

    def __init__(self, masker: Masker, book: Vault | None, summary: Summary) -> None:
        self._masker, self._book, self._summary = masker, book, summary
        self._found: list[Span] = []
        policy = masker.policy
        listed = [word for words in policy.deny if words.match == "pattern" for word in words.words]
        listed += [own.expression for own in policy.patterns]
        self._endless = any(map(is_endless, listed))
        self._marks = _LINES if any(map(is_unbounded, listed)) else _ANYWHERE

    def cut(self, text: str, last: bool) -> int:
        """The length of the next piece of ``text``; 0 when more must be seen first."""
        if self._endless and not last:
            return 0
        self._found = self._masker.find(text)
        if last:
            return len(text)
        end = len(text) - _REACH
        # Until its last line is seen, a private key with headers is found only as far as these.
        key = text.rfind("-----BEGIN ", max(0, len(text) - _LONGEST_KEY))
        if key >= 0 and text.find("-----END ", key) < 0:
            end = min(end, key)
        return _cut(text, end, self._found, self._agrees, self._marks)

    def _agrees(self, text: str, at: int) -> bool:
        """Whether the same is found near ``at`` with the text parted there as without."""
        low, high, half = max(0, at - _REACH), at + _REACH, _REACH // 2
        nearest = at - half if low else 0

        def near(begin: int, end: int) -> list[tuple[int, int, str]]:
            found = self._masker.find(text[begin:end], mentions=False)
            shifted = [(span.start + begin, span.end + begin, span.kind) for span in found]
            return [span for span in shifted if nearest <= span[0] and span[1] <= at + half]

        return near(low, high) == near(low, at) + near(at, high)

    def spans(self, piece: str) -> list[Span]:
        """What was found in the piece that :meth:`cut` gave last."""
        return [span for span in self._found if span.end <= len(piece)]

    def text(self, piece: str) -> str:
        """The piece that :meth:`cut` gave last, masked."""
        return self._masked([piece], [self.spans(piece)])[0]

    def leaf_spans(self, leaves: Sequence[Leaf]) -> list[list[Span]]:
        """What is found in each leaf that was chosen, with their labels in sight."""
        joined: list[str] = []
        ends: list[int] = []
        at = 0
        for leaf in leaves:
            if leaf.chosen:
                joined += leaf.before, leaf.text
                at += len(leaf.before) + len(leaf.text)
            ends.append(at)
        found: list[list[Span]] = [[] for _ in leaves]
        first = 0
        for start, end, kind, score in self._masker.find("".join(joined)):
            while ends[first] <= start:
                first += 1
            i = first
            while i < len(leaves) and ends[i] - len(leaves[i].text) < end:
                offset = ends[i] - len(leaves[i].text)
                low, high = max(start, offset), min(end, ends[i])
                inside = start >= offset and end <= ends[i]
                if leaves[i].chosen and (inside or (low < high and leaves[i].form != "key")):
                    found[i].append(Span(low - offset, high - offset, kind, score))
                i += 1
        return found

    def leaves(self, leaves: Sequence[Leaf]) -> Sequence[str]:
        """The texts of ``leaves``, masked."""
        if not leaves:
            return ()
        if not all(leaf.chosen for leaf in leaves):
            return self._some(leaves)
        texts, spans = [leaf.text for leaf in leaves], self.leaf_spans(leaves)
        if any(_BETWEEN in text for text in texts):
            return self._masked(texts, spans)
        shifted: list[Span] = []
        at = 0
        for text, own in zip(texts, spans, strict=True):
            shifted += [Span(s.start + at, s.end + at, s.kind, s.score) for s in own]
            at += len(text) + len(_BETWEEN)
        return self._masked([_BETWEEN.join(texts)], [shifted])[0].split(_BETWEEN)

    def _some(self, leaves: Sequence[Leaf]) -> Sequence[str]:
        """The texts of ``leaves``, those masked that were chosen; of the others, stand-ins only.

        These go first, so that what they hold as plain text is not given out to stand for something.
        """
        texts = [leaf.text for leaf in leaves]
        chosen = [i for i, leaf in enumerate(leaves) if leaf.chosen]
        if self._book is not None:
            for i, leaf in enumerate(leaves):
                if not leaf.chosen and any(likenesses(leaf.text)):
                    texts[i] = self._masked([leaf.text], [[]])[0]
        for i, text in zip(chosen, self.leaves([leaves[i] for i in chosen]), strict=True):
            texts[i] = text
        return texts

    def _masked(self, texts: list[str], spans: list[list[Span]]) -> tuple[str, ...]:
        masked = self._masker.mask_all(texts, self._book, spans)
        self._summary.add(masked.counts, masked.redacted)
        return masked.texts


class _Restore:
    """Restores pieces and leaves from a vault."""

    def __init__(self, vault: Vault, summary: Summary) -> None:
        self._vault, self._summary = vault, summary
        labels = {project(name) for kind in vault.kinds for name in (kind, KINDS.get(kind, kind))}
        self._labelled = re.compile(f"(?:{'|'.join(sorted(labels)) or BARRIER})(?=(.{{{BODY_LENGTH}}}))")
        begins = vault.plausible(_MOST_BEGINS)
        self._heads, self._lengths = list(begins), list(begins.values())
        self._automaton = AhoCorasick(self._heads) if self._heads else None

    def cut(self, text: str, last: bool) -> int:
        """The length of the next piece of ``text``; 0 when more must be seen first."""
        return len(text) if last else _cut(text, len(text) - _REACH, [], self._agrees)

    def _agrees(self, text: str, at: int) -> bool:
        left, right = text[max(0, at - _REACH) : at], text[at : at + _REACH]
        return self._needles(left + right) == self._needles(left) | self._needles(right)

    def _needles(self, text: str) -> set[str]:
        """The needles that may stand in ``text``, in whatever form a token came back.

        A body is known by its label, by the brackets around it, or by standing alone.
        """
        symbols = project(text)
        found = {match[1] for match in self._labelled.finditer(symbols)}
        found.update(project(match[1])[-BODY_LENGTH:] for match in _BRACKETED.finditer(text))
        found.update(project(match[0]) for match in _ALONE.finditer(text))
        found = {needle for needle in found if body_ok(needle)}
        if self._automaton:
            hits = self._automaton.find_matches_as_indexes(symbols, overlapping=True)
            for i, start, _ in hits:
                found.update(symbols[start : start + length] for length in self._lengths[i])
        return found

    def _lexicon(self, text: str) -> Lexicon:
        return Lexicon(s for needle in self._needles(text) if (s := self._vault.get(needle)) is not None)

    def text(self, piece: str) -> str:
        """``piece`` restored."""
        return self._restored(piece, self._lexicon(piece))

    def leaves(self, leaves: Sequence[Leaf]) -> Sequence[str]:
        """The texts of ``leaves``, restored."""
        if not leaves:
            return ()
        texts = [leaf.text for leaf in leaves]
        joined = _BETWEEN.join(texts)
        lexicon = self._lexicon(joined)
        if not any(_BETWEEN in text for text in texts):
            restored = self._restored(joined, lexicon).split(_BETWEEN)
            if len(restored) == len(texts):
                return restored
        return [self._restored(text, lexicon) for text in texts]

    def _restored(self, text: str, lexicon: Lexicon) -> str:
        restorer = Restorer(lexicon)
        restored = restorer.restore(text)
        self._summary.restored += restorer.restored
        self._summary.unresolved += restorer.unresolved
        return restored


_BRACKETED = re.compile(r"[\[［【〔「〖《<＜(（{｛]([^\]］】〕」〗》>＞)）}｝\[［【]{10,80})")
_ALONE = re.compile(r"(?<![0-9A-Za-z])[0-9A-Za-z]{10}(?![0-9A-Za-z])")
_OPEN = re.compile(r"[\[［【〔「〖《][^\]］】〕」〗》]*\Z")


_ANYWHERE = ("\n", " ", "")
_LINES = ("\n",)


def _cut(
    text: str,
    end: int,
    spans: Sequence[Span],
    agrees: Callable[[str, int], bool],
    marks: Sequence[str] = _ANYWHERE,
) -> int:
    """The last good place up to ``end`` to part ``text``; 0 if there is none.

    After the first of ``marks`` if possible, else after the next, and so on; "" is anywhere.
    """
    for mark in marks:
        at = end
        for _ in range(_TRIES):
            at = text.rfind(mark, 0, max(at, 0)) + 1 if mark else at - 17
            across = bisect_left(spans, at, key=lambda span: span.end)
            if across < len(spans) and spans[across].start < at < spans[across].end:
                at = spans[across].start
                if mark:
                    continue
            if at <= 0:
                break
            if not _OPEN.search(text, max(0, at - _TRIES), at) and agrees(text, at):
                return at
            at -= 1
    return 0
