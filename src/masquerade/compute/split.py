"""Cutting work into equal parts: the data, the tasks, or both.

    split_data(data, n)           f(D_1) + ... + f(D_n)               each node has a part of the data
    split_tasks(tasks, n)         f(T_1) + ... + f(T_n)               each node has a part of the tasks
    split_both(data, tasks, n)    f(D_1, T_1) + ... + f(D_n, T_n)     each node has a part of both

Parts are in order: put together again, they are what was cut. Their sizes differ by one at most, and none is
empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from masquerade.errors import BadInput, MissingPackage


@dataclass(frozen=True, slots=True, repr=False)
class Part:
    """What one node gets: ``f(*arguments)`` is its summand. ``name`` stands in progress and errors."""

    name: str
    arguments: tuple[Any, ...]

    def __repr__(self) -> str:
        return f"Part({self.name!r})"


@dataclass(frozen=True, slots=True, repr=False)
class RowGroups:
    """Row groups of Parquet files, read where they are needed and not before.

    ``groups`` holds (path, index of the group in its file, rows in it). A part of row groups travels as
    such a list: the node opens the paths itself, so they must mean the same files there.
    """

    groups: tuple[tuple[str, int, int], ...]

    @property
    def num_rows(self) -> int:
        """Rows in all groups together."""
        return sum(rows for _, _, rows in self.groups)

    def read(self, columns: Sequence[str] | None = None) -> Any:
        """All rows as one ``pyarrow.Table``, of all ``columns`` or of those named."""
        import pyarrow as pa

        return pa.concat_tables([file.read_row_group(group, columns) for file, group in self._open()])

    def batches(self, columns: Sequence[str] | None = None, rows: int = 65_536) -> Iterator[Any]:
        """The rows as ``pyarrow.RecordBatch`` of at most ``rows`` each: one row group in memory at a time."""
        for file, group in self._open():
            yield from file.iter_batches(rows, row_groups=[group], columns=columns)

    def _open(self) -> Iterator[tuple[Any, int]]:
        parquet = _parquet()
        path, file = None, None
        for name, group, _ in self.groups:
            if name != path:
                path, file = name, parquet.ParquetFile(name)
            yield file, group

    def __len__(self) -> int:
        return len(self.groups)

    def __getitem__(self, which: slice) -> RowGroups:
        return RowGroups(self.groups[which])

    def __repr__(self) -> str:
        return f"RowGroups({len(self)} of {self.num_rows} rows)"


def row_groups(*paths: Any) -> RowGroups:
    """The row groups of Parquet files, to be given to :func:`split_data`; only their footers are read here.

    Needs the extra ``masquerade[parquet]``.

    Raises:
        BadInput: no path, a file that cannot be read as Parquet, or files without rows.
    """
    parquet, groups = _parquet(), []
    for number, path in enumerate(paths, 1):
        try:
            footer = parquet.read_metadata(path)
        except (OSError, ValueError):  # pyarrow's ArrowInvalid is a ValueError
            raise BadInput(f"file {number} of {len(paths)} cannot be read as Parquet") from None
        groups += [(str(path), i, footer.row_group(i).num_rows) for i in range(footer.num_row_groups)]
    if not groups:
        raise BadInput("no row groups here: name at least one Parquet file that has rows")
    return RowGroups(tuple(groups))


def split_data(data: Any, nodes: int) -> list[Part]:
    """``data`` in ``nodes`` equal parts; ``f`` is called with one of them.

    Args:
        data: a list, tuple or range; an array or tensor (cut along its first axis); an Arrow table or record
            batch; the :func:`row_groups` of Parquet files, which are cut between groups; or any iterator,
            which is read to its end.
        nodes: how many parts, at least 1 and at most as many as there are items.

    A part holds its own items and no others, also in the bytes that travel: tables and tensors, whose pickles
    would carry all that they were cut from, are copied. Parts of an array or a list share its items.

    Raises:
        BadInput: fewer items than ``nodes``, or something that has no order or no items.
    """
    return _named("part", _cut(data, nodes, "data"))


def split_tasks(tasks: Any, nodes: int) -> list[Part]:
    """``tasks`` in ``nodes`` equal parts, as :func:`split_data` does it; ``f`` is called with a list of
    tasks.

    >>> [part.arguments[0] for part in split_tasks(["a", "b", "c"], 2)]
    [['a'], ['b', 'c']]
    """
    return _named("tasks", _cut(tasks, nodes, "tasks"))


def split_both(data: Any, tasks: Any, nodes: int | tuple[int, int]) -> list[Part]:
    """Both ``data`` and ``tasks`` in equal parts; ``f`` is called with a part of each.

    Args:
        data: as for :func:`split_data`.
        tasks: as for :func:`split_tasks`.
        nodes: ``n`` pairs the i-th part of the data with the i-th part of the tasks, n parts in all. ``(n,
            m)`` is a grid: each of n parts of the data meets each of m parts of the tasks, n * m parts in
            all.

    Raises:
        BadInput: fewer items, or fewer tasks, than parts.

    >>> [part.arguments for part in split_both([1, 2, 3, 4], ["a", "b"], 2)]
    [([1, 2], ['a']), ([3, 4], ['b'])]
    >>> [part.name for part in split_both([1, 2, 3, 4], ["a", "b"], (1, 2))]
    ['data 1 of 1, tasks 1 of 2', 'data 1 of 1, tasks 2 of 2']
    """
    if not isinstance(nodes, tuple):
        pairs = zip(_cut(data, nodes, "data"), _cut(tasks, nodes, "tasks"), strict=True)
        return [Part(f"part {i} of {nodes}", pair) for i, pair in enumerate(pairs, 1)]
    rows, columns = nodes
    of_data, of_tasks = _cut(data, rows, "data"), _cut(tasks, columns, "tasks")
    return [
        Part(f"data {i} of {rows}, tasks {j} of {columns}", (piece, some))
        for i, piece in enumerate(of_data, 1)
        for j, some in enumerate(of_tasks, 1)
    ]


def named_parts(parts: Iterable[Any]) -> list[Part]:
    """``parts`` as a list of :class:`Part`: what is none already becomes the only argument of one.

    Raises:
        BadInput: no parts, or two of one name.
    """
    given = list(parts)
    made = [
        part if isinstance(part, Part) else Part(f"part {i} of {len(given)}", (part,))
        for i, part in enumerate(given, 1)
    ]
    if not made:
        raise BadInput("no parts: there is nothing to add up")
    if len({part.name for part in made}) < len(made):
        raise BadInput("two parts have the same name; each needs its own")
    return made


def _named(word: str, pieces: Sequence[Any]) -> list[Part]:
    return [Part(f"{word} {i} of {len(pieces)}", (piece,)) for i, piece in enumerate(pieces, 1)]


def _cut(items: Any, parts: int, what: str) -> list[Any]:
    if isinstance(parts, bool) or not isinstance(parts, int) or parts < 1:
        raise BadInput(f"the number of parts is a whole number of at least 1, for the {what}")
    length, piece = _sliceable(items, what)
    if length < parts:
        unit = "row groups" if isinstance(items, RowGroups) else "items"
        raise BadInput(
            f"the {what} has {length} {unit}, too few for {parts} parts: take at most {length}"
            + (", or write the files with smaller row groups" if unit == "row groups" else "")
        )
    bounds = [length * i // parts for i in range(parts + 1)]
    return [piece(start, stop) for start, stop in pairwise(bounds)]


def _sliceable(items: Any, what: str) -> tuple[int, Any]:
    """How many items there are, and a function (start, stop) -> these of them."""
    if isinstance(items, (str, bytes, bytearray, Mapping, Set)):
        raise BadInput(f"the {what} is a {type(items).__name__}, which is not cut: give a list of items")
    package = type(items).__module__.partition(".")[0]
    if package in ("pandas", "polars"):
        raise BadInput(f"the {what} is a data frame: give it as an Arrow table (pyarrow.table(frame))")
    if package == "pyarrow" and hasattr(items, "num_rows"):
        return items.num_rows, lambda start, stop: _own_rows(items.slice(start, stop - start))
    if hasattr(items, "shape"):
        if not items.shape:
            raise BadInput(f"the {what} is an array without axes, which cannot be cut")
        if package == "torch":
            return items.shape[0], lambda start, stop: items[start:stop].clone()
        return items.shape[0], lambda start, stop: items[start:stop]
    if not isinstance(items, (Sequence, RowGroups)):
        if not isinstance(items, Iterable):
            raise BadInput(f"the {what} is a {type(items).__name__}, which has no items")
        items = list(items)
    return len(items), lambda start, stop: items[start:stop]


def _own_rows(table: Any) -> Any:
    """The rows of a slice in memory of their own, dictionaries too: a slice, pickled, carries the whole
    table."""
    import numpy as np
    import pyarrow as pa
    from pyarrow import compute

    rows = table.take(pa.array(np.arange(table.num_rows)))
    for at, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            plain = rows.column(at).cast(field.type.value_type)
            rows = rows.set_column(at, field, compute.dictionary_encode(plain).cast(field.type))
        elif "dictionary<" in str(field.type):
            raise BadInput(f"column {at + 1} has a dictionary inside a list or record: decode it first")
    return rows


def _parquet() -> Any:
    try:
        from pyarrow import parquet
    except ModuleNotFoundError:
        raise MissingPackage("reading Parquet files", "parquet") from None
    return parquet
