"""Equal parts that are the whole when put together, and hold nothing of each other."""

from __future__ import annotations

import pickle
import subprocess
import sys
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from masquerade.compute.split import Part, named_parts, row_groups, split_both, split_data, split_tasks
from masquerade.errors import BadInput

CANARY = "canary-7c1f"
quick = settings(max_examples=60, deadline=None)


def only(parts: list[Part]) -> list[Any]:
    assert all(len(part.arguments) == 1 for part in parts)
    return [part.arguments[0] for part in parts]


@st.composite
def lengths_and_parts(draw: st.DrawFn) -> tuple[int, int]:
    length = draw(st.integers(1, 200))
    return length, draw(st.integers(1, length))


def even(sizes: list[int]) -> bool:
    return max(sizes) - min(sizes) <= 1 and min(sizes) >= 1


@quick
@given(lengths_and_parts())
def test_lists_tuples_ranges_and_iterators(sizes: tuple[int, int]) -> None:
    length, n = sizes
    items = list(range(length))
    for whole in (items, tuple(items), range(length), iter(items), (x for x in items)):
        parts = only(split_data(whole, n))
        assert len(parts) == n
        assert even([len(part) for part in parts])
        assert list(chain.from_iterable(parts)) == items


@quick
@given(lengths_and_parts(), st.integers(0, 3), st.sampled_from(["u1", "<f4", ">i8", "O", "U3"]))
def test_arrays(sizes: tuple[int, int], width: int, dtype: str) -> None:
    length, n = sizes
    whole = np.arange(length * width).reshape(length, width).astype(dtype)
    for array in (whole, np.asfortranarray(whole), whole[::-1]):
        parts = only(split_data(array, n))
        assert even([len(part) for part in parts])
        assert all(part.dtype == array.dtype for part in parts)
        assert np.array_equal(np.concatenate(parts), array)


@quick
@given(lengths_and_parts())
def test_arrow_tables_and_batches(sizes: tuple[int, int]) -> None:
    pa = pytest.importorskip("pyarrow", reason="PyArrow is not installed: masquerade[parquet]")
    length, n = sizes
    names = [f"name {i % 7}" for i in range(length)]
    coded = pa.array(names).dictionary_encode().cast(pa.dictionary(pa.int8(), pa.string()))
    table = pa.table({"id": list(range(length)), "name": names, "coded": coded})
    table = pa.concat_tables([table.slice(0, length // 2), table.slice(length // 2)])  # several chunks
    parts = only(split_data(table, n))
    assert even([part.num_rows for part in parts])
    whole = pa.concat_tables(parts)
    assert whole.schema == table.schema
    assert whole.to_pylist() == table.to_pylist()
    batch = table.combine_chunks().to_batches()[0]
    assert pa.Table.from_batches(only(split_data(batch, n))).to_pylist() == batch.to_pylist()


@quick
@given(st.integers(1, 40), st.integers(1, 9), st.data())
def test_parquet_is_cut_between_row_groups(
    tmp_path_factory: Any, rows: int, size: int, data: st.DataObject
) -> None:
    pa = pytest.importorskip("pyarrow", reason="PyArrow is not installed: masquerade[parquet]")
    from pyarrow import parquet

    folder = tmp_path_factory.mktemp("parquet")
    tables = [pa.table({"x": list(range(start, start + rows)), "y": ["a"] * rows}) for start in (0, rows)]
    paths = [folder / f"{i}.parquet" for i in range(2)]
    for table, path in zip(tables, paths, strict=True):
        parquet.write_table(table, path, row_group_size=size)
    whole = row_groups(*paths)
    n = data.draw(st.integers(1, len(whole)))
    parts = only(split_data(whole, n))
    assert even([len(part) for part in parts])
    assert sum(part.num_rows for part in parts) == whole.num_rows == 2 * rows
    back = [pickle.loads(pickle.dumps(part)) for part in parts]
    assert pa.concat_tables([part.read() for part in back]).equals(pa.concat_tables(tables))
    batches = [batch for part in back for batch in part.batches(["x"], rows=3)]
    assert max(batch.num_rows for batch in batches) <= 3
    assert pa.Table.from_batches(batches)["x"].to_pylist() == list(range(2 * rows))


@quick
@given(lengths_and_parts(), lengths_and_parts())
def test_tasks_and_both(of_data: tuple[int, int], of_tasks: tuple[int, int]) -> None:
    (d, n), (t, m) = of_data, of_tasks
    data, tasks = list(range(d)), [f"task {i}" for i in range(t)]
    assert list(chain.from_iterable(only(split_tasks(tasks, m)))) == tasks
    both = min(n, m)
    pairs = [part.arguments for part in split_both(data, tasks, both)]
    assert [a for a, _ in pairs] == only(split_data(data, both))
    assert [b for _, b in pairs] == only(split_tasks(tasks, both))
    grid = [part.arguments for part in split_both(data, tasks, (n, m))]
    assert len(grid) == n * m
    met = [(x, y) for a, b in grid for x in a for y in b]
    assert len(met) == d * t
    assert set(met) == {(x, y) for x in data for y in tasks}


def test_a_part_carries_nothing_of_the_others() -> None:
    """Arrow pickles a slice with the whole table; what travels must hold its own rows only."""
    pa = pytest.importorskip("pyarrow", reason="PyArrow is not installed: masquerade[parquet]")
    names = [*(f"name {i}" for i in range(9)), CANARY]
    columns = {
        "name": names,
        "coded": pa.array(names).dictionary_encode(),
        "lists": [[name] for name in names],
    }
    table = pa.table(columns)
    assert CANARY.encode() in pickle.dumps(table.slice(0, 1))  # why parts of tables are copies
    for whole in (names, np.array(names), np.array(names, dtype="S"), table, table.to_batches()[0]):
        *others, last = (pickle.dumps(part) for part in split_data(whole, 5))
        wide = CANARY.encode("utf-32-le")
        assert any(mark in last for mark in (CANARY.encode(), wide))
        assert not any(mark in part for part in others for mark in (CANARY.encode(), wide))


def test_a_part_of_a_tensor_carries_nothing_of_the_others() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed to make tensors with")
    parts = split_data(torch.arange(1000), 10)
    assert torch.equal(torch.cat(only(parts)), torch.arange(1000))
    assert all(part.untyped_storage().nbytes() == 800 for part in only(parts))


def test_what_cannot_be_cut_is_refused(tmp_path: Path) -> None:
    for bad in ("a text", b"bytes", {"a": 1}, {1, 2}, 7, None, np.float64(1.0), np.array(3)):
        with pytest.raises(BadInput):
            split_data(bad, 1)
    for nodes in (0, -1, True, 1.5, "2"):
        with pytest.raises(BadInput, match="whole number"):
            split_data([1, 2, 3], nodes)  # type: ignore[arg-type]
    pa = pytest.importorskip("pyarrow", reason="PyArrow is not installed: masquerade[parquet]")
    nested = pa.array([["a"]]).cast(pa.list_(pa.dictionary(pa.int32(), pa.string())))
    with pytest.raises(BadInput, match="column 1 has a dictionary inside"):
        split_data(pa.table({"x": nested}), 1)
    with pytest.raises(BadInput, match="2 items, too few for 3 parts: take at most 2"):
        split_data([CANARY, CANARY], 3)
    with pytest.raises(BadInput, match="tasks has 1 items"):
        split_both([1, 2, 3], [1], 2)
    with pytest.raises(BadInput, match="nothing to add up"):
        named_parts([])
    with pytest.raises(BadInput, match="same name"):
        named_parts([Part("a", (1,)), Part("a", (2,))])


def test_files_that_are_no_parquet_are_refused(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason="PyArrow is not installed: masquerade[parquet]")
    from pyarrow import parquet

    good, bad = tmp_path / "good.parquet", tmp_path / "bad.parquet"
    parquet.write_table(pa.table({"x": [1, 2, 3]}), good, row_group_size=2)
    bad.write_text(CANARY)
    for path in (bad, tmp_path / "absent.parquet"):
        with pytest.raises(BadInput, match="file 2 of 2") as caught:
            row_groups(good, path)
        assert CANARY not in str(caught.value)
    with pytest.raises(BadInput, match=r"2 row groups, too few for 3 parts.*smaller row groups"):
        split_data(row_groups(good), 3)
    with pytest.raises(BadInput, match="no row groups"):
        row_groups()


def test_reprs_hold_no_data() -> None:
    part = split_data([CANARY], 1)[0]
    assert CANARY not in repr(part)
    assert named_parts([CANARY])[0].name == "part 1 of 1"
    assert CANARY not in repr(named_parts([CANARY]))


def test_nothing_heavy_is_loaded_for_a_list() -> None:
    program = (
        "import sys; from masquerade.compute.split import split_data; split_data([1, 2, 3], 2);"
        "print({'pyarrow', 'cloudpickle', 'ray', 'torch', 'pandas'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "set()"
