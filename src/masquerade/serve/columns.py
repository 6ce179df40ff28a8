"""Columns of numbers from CSV and Parquet files, in parts that several processes read, in constant memory.

    parts = cut(paths, n, options)       n parts of about equal size; a part is places in files, no data
    for rows in read(part, columns, options): ...     float64 (records, columns), some thousand at a time

A CSV file is read through once to be cut: ends of records are line ends outside quotation marks. Every
record must have as many cells as the header, so a file whose quotation marks are not in pairs is refused and
never read wrongly. Cells are numbers as ``float`` reads them. Messages name files, lines and columns that
were asked for, and no cell.
"""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from masquerade import crypto
from masquerade.errors import BadInput, MissingPackage
from masquerade.serve.source import Unreadable

Rows = npt.NDArray[np.float64]

_BLOCK = 1 << 20
"""Bytes read at a time to find the ends of records."""
_ROWS = 1 << 15
"""Records given at a time."""
_LONGEST = 64 << 20
"""The longest record, in characters."""
PARQUET = (".parquet", ".pq")
"""Endings of names that are read as Parquet; everything else is CSV."""


@dataclass(frozen=True, slots=True)
class Options:
    """How the files are to be read."""

    encoding: str = "utf-8"
    """One in which quotation marks, commas and line ends are single bytes: any but UTF-16 and UTF-32."""
    delimiter: str | None = None
    """What parts cells; by default a comma, and a tab in ``.tsv``."""
    skip_missing: bool = False
    """Leave records out in which an asked column is empty, instead of refusing them."""


DEFAULT = Options()


@dataclass(frozen=True, slots=True)
class Piece:
    """Some records of one file: from ``start`` to before ``stop``, in bytes of CSV, or rows of Parquet."""

    path: str
    start: int
    stop: int
    line: int
    """The first line of it, from 1. For Parquet the first row."""


Part = tuple[Piece, ...]


def cut(paths: Sequence[str], parts: int, options: Options = DEFAULT) -> list[Part]:
    """The records of all files in ``parts`` parts of about one size, in bytes or rows; some may be empty.

    Raises:
        BadInput: a file cannot be read, or is none of its kind.
        MissingPackage: a Parquet file, and pyarrow is not installed.
    """
    made: list[list[Piece]] = [[] for _ in range(parts)]
    for parquet in (False, True):
        files = [path for path in paths if is_parquet(path) == parquet]
        sizes = [_rows_of(path) if parquet else _size_of(path) for path in files]
        ends = [sum(sizes) * i // parts for i in range(1, parts)]
        before = 0
        for path, size in zip(files, sizes, strict=True):
            inside = [end - before for end in ends if before <= end < before + size]
            first = sum(end < before for end in ends)
            cuts = [(end, end + 1) for end in inside] if parquet else _record_ends(path, inside, options)
            at, line = 0, 1
            for i, (end, next_line) in enumerate([*cuts, (size, 0)]):
                if end > at:
                    made[first + i].append(Piece(path, at, end, line))
                at, line = end, next_line
            before += size
    return [tuple(part) for part in made]


def check(paths: Sequence[str], columns: Sequence[str], options: Options = DEFAULT) -> None:
    """Before anything is computed: every file has every column, once, and is itself given once.

    A file given twice would count each record twice, and so break what is promised for one.

    Raises:
        BadInput: it is not so; the message names file and column.
    """
    if _is_wide(options.encoding):
        raise BadInput("CSV is read in encodings of single-byte line ends: convert it to utf-8 first")
    seen: dict[tuple[int, int], str] = {}
    for path in paths:
        with _opened(path) as file:
            status = os.fstat(file.fileno())
            same = status.st_dev, status.st_ino
            if same in seen:
                raise BadInput(f"it is the same file as {seen[same]}: name each once", source=path)
            seen[same] = path
            names = _parquet(path).schema_arrow.names if is_parquet(path) else _header(file, path, options)[0]
        _places(names, columns, path)


def fingerprints(paths: Sequence[str]) -> list[bytes]:
    """The SHA-256 of each file's bytes, in one pass over all of them.

    Raises:
        BadInput: a file cannot be read, or is a copy of another, with the same result as one given twice.
    """
    seen: dict[bytes, str] = {}
    for path in paths:
        with _opened(path) as file:
            digest = crypto.sha256_of(iter(partial(file.read, _BLOCK), b""))
        if digest in seen:
            raise BadInput(f"it holds the same as {seen[digest]}, byte for byte: name one", source=path)
        seen[digest] = path
    return list(seen)


def read(part: Part, columns: Sequence[str], options: Options = DEFAULT) -> Iterator[Rows]:
    """The asked columns of a part: float64 of shape (records, columns), all finite, some thousand at a time.

    Raises:
        BadInput: a cell that is no number, with its file, line and column; a record of another length.
    """
    for piece in part:
        reading = _read_parquet if is_parquet(piece.path) else _read_csv
        yield from reading(piece, columns, options)


def is_parquet(path: str) -> bool:
    """By the ending of its name."""
    return Path(path).suffix.lower() in PARQUET


def _is_wide(encoding: str) -> bool:
    try:
        return len("\n".encode(encoding)) > 1
    except LookupError:
        raise BadInput("there is no such encoding") from None


# CSV ----------------------------------------------------------------------------------------------------


def _opened(path: str) -> BinaryIO:
    try:
        file = Path(path).open("rb")  # noqa: SIM115
    except OSError as problem:
        raise Unreadable(f"cannot read it: {problem.strerror}", source=path) from None
    if not file.seekable():
        file.close()
        raise Unreadable("this is a pipe, which cannot be read in parts: give a file", source=path)
    return file


def _size_of(path: str) -> int:
    with _opened(path) as file:
        return file.seek(0, 2)


def _record_ends(path: str, wanted: list[int], options: Options) -> list[tuple[int, int]]:
    """For each offset the end of the record that it lies in, and the number of the line that follows."""
    found: list[tuple[int, int]] = []
    offset, line, quoted = 0, 1, 0
    with _opened(path) as file:
        while len(found) < len(wanted) and (block := file.read(_BLOCK)):
            at = 0
            while len(found) < len(wanted) and wanted[len(found)] < offset + len(block):
                # The byte before a wanted offset may end a record: then it lies at the beginning of the next.
                goal = max(wanted[len(found)] - offset, at)
                quoted ^= block.count(b'"', at, goal) & 1
                line += block.count(b"\n", at, goal)
                at = goal
                while (end := block.find(b"\n", at)) >= 0:
                    quoted ^= block.count(b'"', at, end) & 1
                    at, line = end + 1, line + 1
                    if not quoted:
                        found.append((offset + at, line))
                        break
                else:
                    break
            quoted ^= block.count(b'"', at) & 1
            line += block.count(b"\n", at)
            offset += len(block)
        size = file.seek(0, 2)
    return found + [(size, line)] * (len(wanted) - len(found))


def _header(file: BinaryIO, path: str, options: Options) -> tuple[list[str], int, int]:
    """The names, and offset and number of the line after them."""
    lines = _Lines(file, path, options, 0, _size_of(path), 1)
    try:
        names = next(csv.reader(lines, delimiter=_delimiter(path, options), strict=True), [])
    except csv.Error:
        raise BadInput("the header is no CSV: a quotation mark is not closed", source=path, line=1) from None
    if not names:
        raise BadInput("it is empty: a CSV file begins with the names of its columns", source=path)
    return [name.strip() for name in names], file.tell(), lines.line


class _Lines:
    """Lines of a file between two offsets, decoded; counts them."""

    def __init__(self, file: BinaryIO, path: str, options: Options, start: int, stop: int, line: int) -> None:
        self._file, self._path, self._stop, self.line = file, path, stop, line
        self._encoding = "utf-8-sig" if start == 0 and options.encoding == "utf-8" else options.encoding
        file.seek(start)
        self._at = start

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        if self._at >= self._stop:
            raise StopIteration
        raw = self._file.readline(_LONGEST)
        if not raw:
            raise StopIteration
        self._at += len(raw)
        try:
            text = raw.decode(self._encoding)
        except UnicodeDecodeError:
            raise BadInput(
                f"this is no {self._encoding.removesuffix('-sig')} text: say what it is with --encoding",
                source=self._path,
                line=self.line,
            ) from None
        self._encoding = self._encoding.removesuffix("-sig")
        self.line += 1
        return text


def _delimiter(path: str, options: Options) -> str:
    return options.delimiter or ("\t" if Path(path).suffix.lower() == ".tsv" else ",")


def _read_csv(piece: Piece, columns: Sequence[str], options: Options) -> Iterator[Rows]:
    with _opened(piece.path) as file:
        names, after, line = _header(file, piece.path, options)
        places = _places(names, columns, piece.path)
        start, line = (after, line) if piece.start < after else (piece.start, piece.line)
        lines = _Lines(file, piece.path, options, start, piece.stop, line)
        batch: list[list[float]] = []
        for first, record in _records(lines, piece.path, options):
            if not record:
                continue
            if len(record) != len(names):
                raise BadInput(
                    f"this record has {len(record)} cells, and the header {len(names)}",
                    source=piece.path,
                    line=first,
                )
            cells = [record[place] for place in places]
            try:
                numbers = [float(cell) for cell in cells]
            except ValueError:
                numbers = _numbers(cells, columns, piece.path, first, options)
            else:
                if not all(map(math.isfinite, numbers)):
                    _numbers(cells, columns, piece.path, first, options)
            if len(numbers) == len(columns):
                batch.append(numbers)
                if len(batch) == _ROWS:
                    yield np.array(batch).reshape(-1, len(columns))
                    batch = []
        yield np.array(batch, dtype=np.float64).reshape(len(batch), len(columns))


def _records(lines: _Lines, path: str, options: Options) -> Iterator[tuple[int, list[str]]]:
    """Records with the number of their first line."""
    reader = csv.reader(lines, delimiter=_delimiter(path, options), strict=True)
    while True:
        first = lines.line
        try:
            record = next(reader, None)
        except csv.Error:
            raise BadInput(
                "this is no CSV: quotation marks are not in pairs, or a cell has over 131,072 characters",
                source=path,
                line=first,
            ) from None
        if record is None:
            return
        yield first, record


def _numbers(cells: list[str], columns: Sequence[str], path: str, line: int, options: Options) -> list[float]:
    """The numbers of a record that is not all plain numbers: none if it is to be left out."""
    numbers = []
    for cell, column in zip(cells, columns, strict=True):
        if not cell.strip():
            if options.skip_missing:
                return []
            raise BadInput(
                f"column {column} is empty: --skip-missing leaves such records out", source=path, line=line
            )
        try:
            number = float(cell)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise BadInput(f"column {column} holds something that is not a number", source=path, line=line)
        numbers.append(number)
    return numbers


def _places(names: Sequence[str], columns: Sequence[str], path: str) -> list[int]:
    for column in columns:
        found = names.count(column)
        if found != 1:
            problem = "has no column" if not found else "has more than one column"
            raise BadInput(f"{problem} {column}", source=path, line=None if is_parquet(path) else 1)
    return [names.index(column) for column in columns]


# Parquet ------------------------------------------------------------------------------------------------


def _parquet(path: str) -> Any:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise MissingPackage("reading Parquet files", "parquet") from None
    try:
        return pq.ParquetFile(path)
    except pa.ArrowInvalid:
        raise BadInput("this is no Parquet file", source=path) from None
    except OSError as problem:
        raise Unreadable(f"cannot read it: {problem.strerror or 'it is no file'}", source=path) from None


def _rows_of(path: str) -> int:
    with _parquet(path) as file:
        return int(file.metadata.num_rows)


def _read_parquet(piece: Piece, columns: Sequence[str], options: Options) -> Iterator[Rows]:
    with _parquet(piece.path) as file:
        _places(file.schema_arrow.names, columns, piece.path)
        first = 0
        for group in range(file.metadata.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            if first < piece.stop and first + rows > piece.start:
                at = first
                for batch in file.iter_batches(_ROWS, row_groups=[group], columns=list(columns)):
                    low, high = max(piece.start - at, 0), min(piece.stop - at, batch.num_rows)
                    if low < high:
                        yield _batch(batch.slice(low, high - low), columns, piece.path, at + low, options)
                    at += batch.num_rows
            first += rows


def _batch(batch: Any, columns: Sequence[str], path: str, row: int, options: Options) -> Rows:
    import pyarrow as pa

    if not columns:
        return np.empty((batch.num_rows, 0))
    rows = np.empty((batch.num_rows, len(columns)))
    missing = np.zeros(batch.num_rows, dtype=np.bool_)
    for i, column in enumerate(columns):
        values = batch.column(column)
        try:
            numbers = values.cast(pa.float64(), safe=False)
        except pa.ArrowException:
            raise BadInput(f"column {column} is not of numbers", source=path) from None
        empty = np.asarray(numbers.is_null())
        rows[:, i] = numbers.fill_null(0).to_numpy(zero_copy_only=False)
        wrong = ~np.isfinite(rows[:, i])
        if wrong.any():
            at = row + int(np.flatnonzero(wrong)[0]) + 1
            raise BadInput(f"column {column} is not a number in row {at:,}", source=path)
        if empty.any() and not options.skip_missing:
            at = row + int(np.flatnonzero(empty)[0]) + 1
            raise BadInput(
                f"column {column} is empty in row {at:,}: --skip-missing leaves such records out", source=path
            )
        missing |= empty
    return rows[~missing]
