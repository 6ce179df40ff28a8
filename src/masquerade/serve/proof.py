"""Reading a journal, and proving that it is as it was written; ``journal.py`` says what that is worth."""

from __future__ import annotations

import contextlib
import re
from binascii import hexlify
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import orjson

from masquerade import crypto
from masquerade.errors import BadInput
from masquerade.serve.journal import (
    HEAD_LABEL,
    HEAD_NAME,
    LINE_LABEL,
    LINK,
    MOST_LINE,
    NAME,
    ODD,
    SIGNED,
    START,
    VERSION,
    Head,
    heads_of,
    names,
)
from masquerade.serve.source import Unreadable

_LINK_BYTES, _SIGNED_BYTES = len(LINK) + 64 + 3, len(SIGNED) + 128 + 1
_ANCHOR = re.compile(r"([0-9A-Za-z-]{1,64})@([0-9]{1,15}):([0-9a-f]{64})")


class Fault(NamedTuple):
    """Where a journal is not as it was written, and in what way."""

    file: str
    line: int
    """1-based; of a line that is missing, the one that it was."""
    what: str


@dataclass(slots=True)
class FileState:
    """What was read of one file."""

    name: str
    lines: int = 0
    """Those that are sound."""
    unsigned: int = 0
    """Of these, how many stand behind the last checkpoint: their links are right, and nobody signed them."""
    torn: int = 0
    """Bytes of a last line that was cut off."""
    ended: str = ""
    """Why its writer ended it; empty: it still writes, or was killed."""
    key: str = ""
    head: tuple[int, str] | None = None
    """The last signed line, by number and link."""


class Reading:
    """A journal, read once from end to end, in memory that does not grow with its lines.

    :meth:`lines` gives the lines that are sound; of a file with a fault, those before it. What was found
    stands in :attr:`faults` and :attr:`files` when all lines are read. ``known``: the public keys whose
    signatures count; None takes any key, as long as it is one for each writer. ``anchors``: what
    :attr:`anchor` said before.

    Raises:
        Unreadable: there is no journal, or it cannot be read.
        BadInput: an anchor is none.
    """

    def __init__(self, folder: Path, known: Iterable[str] | None = None, anchors: Iterable[str] = ()) -> None:
        self.folder, self._known = folder, None if known is None else frozenset(known)
        self.faults: list[Fault] = []
        """The first of each file, and each file that is missing."""
        self.files: list[FileState] = []
        self._claims: dict[str, dict[int, dict[str, str]]] = {}
        """By file and number: the link that the line has according to someone."""
        self._retired = ""
        """Files that were opened before that day (as in their names) were removed by whoever may."""
        self._named: dict[str, int] = {}
        self._keys: dict[str, str] = {}
        for text in anchors:
            for name, head in _anchored(text).items():
                self._claim(name, head, "the anchor")
        with _reading(folder):
            heads = sorted(path for path in folder.iterdir() if HEAD_NAME.fullmatch(path.name))
            noted = {path.stem for path in heads if self._noted(path)}
            self._todo = names(folder)
        self._without_note = {name.split("-")[1] for name in self._todo} - noted
        if not self._todo and not self._claims:
            raise Unreadable("there is no journal here", source=str(folder))
        for name in self._todo:
            self._first(name)

    def lines(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Every sound line with the name of its file, by files in the order in which they were opened."""
        done: set[str] = set()
        while self._todo:
            for name in self._todo:
                done.add(name)
                for line in self._lines(name):
                    yield name, line
            # what was made while this was read, and is named in what was read
            self._todo = [name for name in self._claims if name not in done and (self.folder / name).exists()]
            for name in self._todo:
                self._first(name)
        self._look_for_missing(done)

    def verify(self) -> None:
        """Read all, for :attr:`faults` alone."""
        for _ in self.lines():
            pass

    @property
    def compared(self) -> bool:
        """Whether the keys that signed it were compared with known ones."""
        return self._known is not None

    @property
    def anchor(self) -> str:
        """The newest signed lines, as text; keep it where the journal's keepers cannot write.

        A journal that is read later with this as an anchor has all that this one had, or a fault.
        """
        heads = {state.name: state.head for state in self.files if state.head is not None}
        tips = {name: head for name, head in heads.items() if self._named.get(name, -1) < head[0]}
        return ",".join(f"{name.removesuffix('.jsonl')}@{n}:{link}" for name, (n, link) in tips.items())

    # What is said of lines elsewhere

    def _claim(self, name: str, head: Head, by: str) -> None:
        self._claims.setdefault(name, {}).setdefault(head.n, {})[head.link] = by

    def _noted(self, path: Path) -> bool:
        """Take up what a writer has noted of its newest lines."""
        with path.open("rb") as file:
            raw = file.read(MOST_LINE)
        body = raw.partition(SIGNED)[0]
        try:
            told = orjson.loads(raw)
            signed = crypto.signed_by(
                bytes.fromhex(told["key"]), bytes.fromhex(told["signed"]), HEAD_LABEL + body
            )
            good = signed and raw == orjson.dumps(told) + b"\n" and told["writer"] == path.stem
            heads = heads_of(told)
            if not good or not self._trusts(path.stem, told["key"]):
                raise ValueError("not signed by its writer")
        except ODD:
            self.faults.append(Fault(path.name, 1, "this note of a writer's newest line was changed"))
            return True
        for name, head in heads.items():
            self._claim(name, head, path.name)
        return True

    def _trusts(self, writer: str, key: str) -> bool:
        """Whether this key may sign for a writer: a known one, and the same throughout."""
        return (self._known is None or key in self._known) and self._keys.setdefault(writer, key) == key

    def _first(self, name: str) -> None:
        """Take up what a file's first line says of others, if it is sound."""
        with (
            contextlib.suppress(_Unsound),
            _reading(self.folder / name),
            (self.folder / name).open("rb") as file,
        ):
            for line in self._sound(file, FileState(name), {}):
                for other, head in heads_of(line).items():
                    self._claim(other, head, name)
                    self._named[other] = max(head.n, self._named.get(other, -1))
                return

    def _look_for_missing(self, done: set[str]) -> None:
        for name, claims in sorted(self._claims.items()):
            if name not in done and not name[:8] < self._retired:
                n, by = max(claims), next(iter(claims[max(claims)].values()))
                self.faults.append(
                    Fault(name, n + 1, f"this file is missing, and {by} names its line {n + 1}")
                )
        for state in self.files:
            writer = state.name.split("-")[1]
            if writer in self._without_note and state.lines > 1:
                self._without_note.discard(writer)
                missing = f"the note of this writer's newest line, {writer}.head, is missing"
                self.faults.append(Fault(state.name, state.lines, missing))

    # One file

    def _lines(self, name: str) -> Iterator[dict[str, Any]]:
        state = FileState(name)
        self.files.append(state)
        claims = self._claims.get(name, {})
        with _reading(self.folder / name), (self.folder / name).open("rb") as file:
            try:
                yield from self._sound(file, state, claims)
            except _Unsound as fault:
                self.faults.append(Fault(name, state.lines + 1, str(fault)))
                return
        if claims and max(claims) >= state.lines:
            by = next(iter(claims[max(claims)].values()))
            what = f"cut off here: {by} names line {max(claims) + 1}"
            self.faults.append(Fault(name, state.lines + 1, what))

    def _sound(
        self, file: BinaryIO, state: FileState, claims: Mapping[int, Mapping[str, str]]
    ) -> Iterator[dict[str, Any]]:
        link, n, every = START, 0, 0
        while raw := file.readline(MOST_LINE):
            if raw[-1] != 10 and len(raw) < MOST_LINE:  # the end of the file, or of what is written by now
                state.torn = len(raw)
                return
            if state.ended:
                raise _Unsound("this line stands behind the end of the file")
            body = raw[:-_LINK_BYTES]
            before, link = link, crypto.sha256(link + body)
            if raw[-_LINK_BYTES:] != LINK + hexlify(link) + b'"}\n':
                raise _Unsound("this line, or the one before it, is not the one that was written here")
            try:
                line = orjson.loads(raw)
                if line["n"] != n or orjson.dumps(line) != raw[:-1]:
                    raise ValueError("not in this spelling")
                what = line["is"]
                if what != "request":
                    self._signed(state, line, before, body)
                    state.head, state.unsigned = (n, line["link"]), 0
                    if n == 0:
                        every = self._opened(state, line)
                    elif what == "ended":
                        state.ended = str(line["why"])
                    elif what == "retired":
                        self._retired = max(self._retired, str(line["before"]).replace("-", ""))
                else:
                    state.unsigned += 1
                    if state.unsigned > every:
                        raise _Unsound(f"more than {every} lines without a signature")
            except ODD:
                raise _Unsound("this is no line of a journal") from None
            if n in claims and set(claims[n]) != {line["link"]}:
                others = [by for said, by in claims[n].items() if said != line["link"]]
                raise _Unsound(f"this is another line than the one that {others[0]} names")
            n += 1
            state.lines = n
            yield line

    def _signed(self, state: FileState, line: dict[str, Any], before: bytes, body: bytes) -> None:
        key = state.key or str(line["key"])
        covered, rest = body[:-_SIGNED_BYTES], body[-_SIGNED_BYTES:]
        signature = bytes.fromhex(line["signed"])
        if rest != SIGNED + hexlify(signature) + b'"' or not crypto.signed_by(
            bytes.fromhex(key), signature, LINE_LABEL + before + covered
        ):
            raise _Unsound("the signature of this line is not that of its writer")
        state.key = key

    def _opened(self, state: FileState, line: dict[str, Any]) -> int:
        if line["is"] != "opened" or line["journal"] != VERSION or line["file"] != state.name:
            raise _Unsound("this is not the first line of this file")
        if not self._trusts(state.name.split("-")[1], state.key):
            raise _Unsound("signed with a key that is not known here")
        heads_of(line)
        return int(line["every"])


class _Unsound(BadInput):
    """A line is not as it was written."""


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise Unreadable("it is not there", source=str(path)) from None
    except OSError as problem:
        raise Unreadable(f"cannot read it: {problem.strerror}", source=str(path)) from None


def _anchored(text: str) -> dict[str, Head]:
    heads = {}
    for word in text.split(","):
        found = _ANCHOR.fullmatch(word.strip())
        if found is None or not NAME.fullmatch(found[1] + ".jsonl"):
            raise BadInput("this is no anchor: it is what  masquerade report --verify  printed as one")
        heads[found[1] + ".jsonl"] = Head(int(found[2]), found[3])
    return heads
