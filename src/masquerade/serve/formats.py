"""JSON and CSV as raw text with places in it: what is not replaced stays byte for byte as it was.

    leaves, used, bad = form.scan(block, line, last)   where the strings, numbers, keys or cells stand
    form.write(leaf, text)                             the raw text that puts ``text`` in a leaf's place

Parsing and writing a whole line anew would change its spacing, quoting and escapes; here only the leaves
that masking changes are written anew, in the style in which they were found.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Literal, NamedTuple, Protocol, TypeAlias

import orjson

from masquerade.errors import BadInput

LONGEST = 64 << 20
"""The longest line, record or JSON document that is read, in characters."""

_SEEN = 200
"""Fields that are remembered, to tell what a missing one may be called."""

_Form: TypeAlias = Literal["string", "marked", "number", "key", "quoted", "plain"]


class Leaf(NamedTuple):
    """A place that may hold something private."""

    start: int
    end: int
    """Offsets in the block, quotation marks included."""
    text: str
    """What it says, unquoted and unescaped."""
    before: str
    """What a reader would see before it: a label and a colon, or a line break."""
    form: _Form
    """``marked`` is a string that begins as a masked number does: it is written anew in any case."""
    chosen: bool = True
    """Whether it is in a column or field that is to be masked. What is not stays as it is; but since
    restoring looks at all, a stand-in that it holds as plain text must be known."""


class BadLine(BadInput):
    """A record that cannot be read: its first line, and its ``start`` and ``end`` in the block."""

    def __init__(self, message: str, *, line: int, start: int, end: int) -> None:
        self.start, self.end, self.message = start, end, message
        super().__init__(message, line=line)


class Scanned(NamedTuple):
    """What a scan found."""

    leaves: list[Leaf]
    used: int
    """Where the last of the records read ends."""
    bad: BadLine | None
    """Why no more were read, if the next one is malformed."""


class Form(Protocol):
    """One way to find leaves in a block and to write them back."""

    notes: dict[str, str]
    """What :meth:`write` must be told, when restoring, of the file that was masked."""

    def scan(self, block: str, line: int, last: bool) -> Scanned:
        """The leaves of the whole and well-formed records at the beginning of ``block``.

        ``line`` is the number of the block's first line; ``last`` says that nothing follows the block.
        """

    def write(self, leaf: Leaf, text: str) -> str:
        """The raw text that says ``text`` in the place of ``leaf``."""

    def place(self, block: str, leaf: Leaf, offset: int) -> int:
        """Where in ``block`` the character stands that is ``offset`` in the leaf's text."""

    def complete(self) -> None:
        """Called after the last block.

        Raises:
            BadInput: a field that was asked for stood nowhere.
        """


# JSON ---------------------------------------------------------------------------------------------------

_LEXEME = re.compile(r'"((?:[^"\\]|\\.)*+)"(?:([ \t\r\n]*+):)?|(-?[0-9][0-9.eE+\-]*+)|([\[\]{}])')
_UNIT = re.compile(r"\\u[dD][89abAB]..\\u....|\\u....|\\.|.", re.DOTALL)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")

_WAS_NUMBER = "number:"
"""Begins a string that stands for a private number; a string that began so already gets it once more."""


def _encoder(ascii_only: bool, slashes: bool) -> Callable[[str], str]:
    def encode(text: str) -> str:
        literal = json.dumps(text, ensure_ascii=ascii_only)
        return literal.replace("/", "\\/") if slashes else literal

    return encode


_STYLES = {
    "plain": _encoder(False, False),
    "ascii": _encoder(True, False),
    "slashes": _encoder(False, True),
    "ascii slashes": _encoder(True, True),
}
"""How writers of JSON escape: as little as they must; all but ASCII (Python); and with ``\\/`` (PHP)."""


class Json:
    """JSON Lines, or with ``whole`` one JSON document.

    With ``fields`` (dotted paths; arrays are passed through) only what stands under these is a leaf.
    Restoring gives back the bytes of any file whose strings are all escaped in one of the usual styles, and
    an equal document otherwise.
    """

    def __init__(self, *, whole: bool = False, fields: Iterable[str] = (), restoring: bool = False) -> None:
        self._whole, self._restoring = whole, restoring
        fields = list(fields)
        self.notes: dict[str, str] = {"fields": json.dumps(fields)} if fields else {}
        self._fields = _paths(fields)
        self._missing = set(self._fields)
        self._seen: dict[str, None] = {}
        self._style = "plain"
        self._styles = dict(_STYLES)

    def scan(self, block: str, line: int, last: bool) -> Scanned:
        if self._restoring:  # originals may have come to other fields, marks have not
            self._fields = _paths(json.loads(self.notes.get("fields", "[]")))
        leaves: list[Leaf] = []
        at = 0
        while at < len(block):
            end = len(block) if self._whole else block.find("\n", at) + 1
            if not last and (self._whole or not end):
                break
            end = end or len(block)
            if block[at:end].strip():
                try:
                    orjson.loads(block[at:end])
                except (orjson.JSONDecodeError, UnicodeEncodeError) as problem:
                    return Scanned(leaves, at, _bad_json(problem, line, at, end))
                self._scan_record(block, at, end, leaves)
            at, line = end, line + 1
        return Scanned(leaves, at, None)

    def _scan_record(self, block: str, start: int, end: int, leaves: list[Leaf]) -> None:
        before, path, depth = "\n", [""], 0
        for found in _LEXEME.finditer(block, start, end):
            raw, colon, number, bracket = found.groups()
            if bracket is not None:
                if self._fields:
                    depth += 1 if bracket in "[{" else -1
                    del path[depth + 1 :]
                    path += [""] * (depth + 1 - len(path))
                before = "\n"
                continue
            if number is not None:
                if self._wanted(path) or self._restoring:
                    leaves.append(Leaf(*found.span(3), number, before, "number"))
                before = "\n"
                continue
            text = raw if "\\" not in raw else json.loads(f'"{raw}"')
            if colon is not None:
                path[-1] = text
            wanted = self._wanted(path)
            place = found.start(), found.end(1) + 1
            if not (wanted or self._restoring):
                leaves.append(Leaf(*place, text, "", "string", chosen=False))
            else:
                marked = wanted and text.startswith(_WAS_NUMBER)
                form: _Form = "key" if colon is not None else "marked" if marked else "string"
                leaves.append(Leaf(*place, text, before, form))
                if not self._restoring and not (raw.isascii() and raw is text):
                    self._learn_style(text, raw)
            before = "\n" if colon is None else ": "

    def _wanted(self, path: list[str]) -> bool:
        if not self._fields:
            return True
        names = tuple(name for name in path if name)
        if self._missing and len(self._seen) < _SEEN and names:
            self._seen.setdefault(".".join(names))
        wanted = [field for field in self._fields if names[: len(field)] == field]
        self._missing.difference_update(wanted)
        return bool(wanted)

    def _learn_style(self, text: str, raw: str) -> None:
        fitting = {name: encode for name, encode in self._styles.items() if encode(text)[1:-1] == raw}
        if fitting:
            self._styles = fitting
            self.notes["json"] = next(iter(fitting))

    def write(self, leaf: Leaf, text: str) -> str:
        if self._restoring:
            return self._write_restored(leaf, text)
        if leaf.form == "number":
            return text if _NUMBER.fullmatch(text) else f'"{_WAS_NUMBER}{text}"'
        encode = next(iter(self._styles.values()))
        return encode(_WAS_NUMBER + text if leaf.form == "marked" else text)

    def _write_restored(self, leaf: Leaf, text: str) -> str:
        encode = _STYLES.get(self.notes.get("json", ""), _STYLES["plain"])
        if leaf.form == "number":
            return text if _NUMBER.fullmatch(text) else encode(text)
        if leaf.form == "marked":
            rest = text.removeprefix(_WAS_NUMBER)
            if rest.startswith(_WAS_NUMBER):
                return encode(rest)
            if text != leaf.text and _NUMBER.fullmatch(rest):
                return rest
        return encode(text)

    def place(self, block: str, leaf: Leaf, offset: int) -> int:
        start = leaf.start + (leaf.form != "number")
        if leaf.end - start - 1 <= len(leaf.text):
            return start + offset
        units = islice(_UNIT.finditer(block, start, leaf.end), offset, None)
        return next(units).start()

    def complete(self) -> None:
        if self._missing:
            wanted = ".".join(min(self._missing))
            raise BadInput(f"no field '{wanted}' in any line{_meant(wanted, self._seen)}")


def _bad_json(problem: Exception, line: int, start: int, end: int) -> BadLine:
    """Says where the fault is, and not what stands there."""
    if not isinstance(problem, orjson.JSONDecodeError):
        return BadLine("this is not Unicode text", line=line, start=start, end=end)
    what = problem.msg.partition(": ")[0]
    here = (
        f"column {problem.colno}"
        if problem.lineno == 1
        else f"column {problem.colno} of line {problem.lineno} there"
    )
    return BadLine(f"this is not JSON: {what}, at {here}", line=line, start=start, end=end)


def _paths(fields: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(field.split(".")) for field in fields)


def _meant(wanted: str, names: Iterable[str]) -> str:
    """The name that is nearly this one; no other, since in a file without a header they are data."""
    near = difflib.get_close_matches(
        wanted.casefold(), folded := {name.casefold(): name for name in names}, 1
    )
    return f" (did you mean '{folded[near[0]]}'?)" if near else ""


# CSV ----------------------------------------------------------------------------------------------------


_QUOTED = re.compile(r'"(?:[^"]|"")*+"')


class Csv:
    """CSV after RFC 4180, with any delimiter of one character and any line ends; quoted cells may hold them.

    The first record names the columns, unless ``header`` is False: then they are called 1, 2, 3. With
    ``columns``, only these are masked, and a record of another width is an error, since its cells could be
    anything. A cell stays quoted or unquoted as it was.
    """

    def __init__(
        self,
        *,
        delimiter: str = ",",
        header: bool = True,
        columns: Iterable[str] = (),
        restoring: bool = False,
    ) -> None:
        if len(delimiter) != 1 or delimiter.isalnum() or delimiter in '"\r\n[]_':
            raise BadInput(
                "the delimiter is one character, no letter or digit, quotation mark, line end, or '[]_'"
            )
        self.notes: dict[str, str] = {}
        self._delimiter, self._columns = delimiter, tuple(columns)
        self._names: list[str] | None = None
        self._header = header
        self._wanted: frozenset[int] | None = None
        mark = re.escape(delimiter)
        self._cell = re.compile(
            rf'(?:"((?:[^"]|"")*+)"|([^"{mark}\r\n][^{mark}\r\n]*+)?)({mark}|\r\n|\n|\r|\Z)'
        )
        self._special = re.compile(rf'\A"|[{mark}\r\n]')

    def scan(self, block: str, line: int, last: bool) -> Scanned:
        leaves: list[Leaf] = []
        record: list[Leaf] = []
        start = at = 0
        match = self._cell.match
        while at < len(block):
            found = match(block, at)
            if found is None:
                if not last and self._is_open(block, at):
                    break
                return Scanned(leaves, start, self._bad_quote(block, at, line, start))
            quoted, plain, mark = found.groups()
            text = (plain or "") if quoted is None else quoted.replace('""', '"')
            record.append(Leaf(at, found.start(3), text, "", "plain" if quoted is None else "quoted"))
            at = found.end()
            if mark == self._delimiter:
                if at < len(block):
                    continue
                record.append(Leaf(at, at, "", "", "plain"))
            if (problem := self._take(record, leaves)) is not None:
                return Scanned(leaves, start, BadLine(problem, line=line, start=start, end=at))
            line += block.count("\n", start, at)
            record, start = [], at
        return Scanned(leaves, start, None)

    def _take(self, record: list[Leaf], leaves: list[Leaf]) -> str | None:
        """Adds the leaves of one record, after the names of their columns; or says what is wrong with it."""
        if len(record) == 1 and not record[0].text and record[0].form == "plain":
            return None
        if self._names is None:
            self._name_columns(record)
            if self._header:
                leaves += [cell._replace(before="\n") for cell in record]
                return None
        names = self._names or []
        if self._wanted is None:
            names = names + ["\n"] * (len(record) - len(names))
            leaves += [cell._replace(before=name) for cell, name in zip(record, names, strict=False)]
        elif len(record) != len(names):
            return f"this record has {len(record)} cells, and the first one has {len(names)}"
        else:
            wanted = self._wanted
            leaves += [
                cell._replace(before=names[i]) if i in wanted else cell._replace(chosen=False)
                for i, cell in enumerate(record)
            ]
        return None

    def _name_columns(self, record: list[Leaf]) -> None:
        names = [cell.text for cell in record] if self._header else [str(i + 1) for i in range(len(record))]
        for column in self._columns:
            if column not in names:
                raise BadInput(f"no column '{column}' among {len(names)}{_meant(column, names)}", line=1)
        if self._columns:
            self._wanted = frozenset(i for i, name in enumerate(names) if name in self._columns)
        self._names = [f"\n{name}: " if self._header and name else "\n" for name in names]

    def _is_open(self, block: str, at: int) -> bool:
        """Whether a quoted cell begins here whose end is not in the block."""
        return block[at] == '"' and not _QUOTED.match(block, at)

    def _bad_quote(self, block: str, at: int, line: int, start: int) -> BadLine:
        line += block.count("\n", start, at)
        what = "is never closed" if self._is_open(block, at) else "is closed in the middle of a cell"
        begins = block.rfind("\n", 0, at) + 1
        ends = block.find("\n", at) + 1 or len(block)
        return BadLine(f"a quotation mark {what}", line=line, start=min(start, begins), end=ends)

    def write(self, leaf: Leaf, text: str) -> str:
        if leaf.form == "quoted" or self._special.search(text):
            return '"' + text.replace('"', '""') + '"'
        return text

    def place(self, block: str, leaf: Leaf, offset: int) -> int:
        if leaf.form == "plain":
            return leaf.start + offset
        return leaf.start + 1 + offset + leaf.text.count('"', 0, offset)

    def complete(self) -> None:
        if self._columns and self._names is None:
            raise BadInput("the file is empty: it has no columns")
