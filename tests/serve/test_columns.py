"""Columns come out the same however a file is cut, and nothing malformed gets through."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from masquerade.errors import BadInput
from masquerade.serve import columns
from masquerade.serve.columns import Options, Piece, check, cut, read


def everything(parts: list[columns.Part], names: list[str], how: Options = columns.DEFAULT) -> Any:
    return [row for part in parts for rows in read(part, names, how) for row in rows.tolist()]


cells = st.text(st.sampled_from('a,"\n é漢'), max_size=6)


@given(
    rows=st.lists(st.tuples(cells, st.integers(-999, 999)), max_size=30),
    parts=st.integers(1, 7),
    end=st.sampled_from(["\n", "\r\n"]),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_cut_gives_every_record_once(
    rows: list[tuple[str, int]], parts: int, end: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Quotation marks, line ends and delimiters in cells; blocks of 7 bytes, so everything is cut."""
    monkeypatch.setattr(columns, "_BLOCK", 7)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator=end)
    writer.writerow(["no\nte", "n"])
    writer.writerows(rows)
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xef\xbb\xbf" + text.getvalue().encode())
    made = cut([str(path)], parts)
    assert len(made) == parts
    assert everything(made, ["n"]) == [[float(n)] for _, n in rows]


def test_parts_of_several_files_are_about_equal(tmp_path: Path) -> None:
    names = []
    for k, records in enumerate((500, 0, 1200, 300)):
        path = tmp_path / f"{k}.csv"
        path.write_text("x\n" + "".join(f"{10_000 * k + i}\n" for i in range(records)))
        names.append(str(path))
    made = cut(names, 4)
    sizes = [len(everything([part], ["x"])) for part in made]
    assert sum(sizes) == 2000
    assert max(sizes) - min(sizes) < 200
    assert len({x for (x,) in everything(made, ["x"])}) == 2000


def test_parquet_is_cut_by_rows(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    data = pa.table({"x": list(range(1000)), "y": [i / 2 for i in range(1000)], "flag": [True] * 1000})
    for k in range(2):
        pq.write_table(data, tmp_path / f"{k}.parquet", row_group_size=90)
    names = [str(tmp_path / f"{k}.parquet") for k in range(2)]
    check(names, ["x", "y"])
    for parts in (1, 3, 7):
        made = cut(names, parts)
        sizes = [len(everything([part], ["x"])) for part in made]
        assert max(sizes) - min(sizes) <= 1
        assert everything(made, ["y", "x"]) == [[i / 2, float(i)] for _ in range(2) for i in range(1000)]
    assert len(everything(cut(names, 2), [])) == 2000
    assert everything(cut(names, 1), ["flag"])[0] == [1.0]


def test_csv_and_parquet_together(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"x": [1.0, 2.0]}), tmp_path / "a.parquet")
    (tmp_path / "b.tsv").write_text("x\ty\n3\t0\n4\t0\n")
    made = cut([str(tmp_path / "a.parquet"), str(tmp_path / "b.tsv")], 2)
    assert sorted(x for (x,) in everything(made, ["x"])) == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ("n,x\n1,2\n3,canary\n", "column x holds something that is not a number", 3),
        ("n,x\n1,2\n3,nan\n", "not a number", 3),
        ("n,x\n1,2\n3,inf\n", "not a number", 3),
        ("n,x\n1,2\n\n\n3,\n", "column x is empty", 5),
        ('n,x\n"a\nb",2\n3,"1,5"\n', "not a number", 4),
        ("n,x\n1,2\ncanary\n", "has 1 cells, and the header 2", 3),
        ("n,x\n1,2\n1,2,canary\n", "has 3 cells", 3),
        ('n,x\n1,2\n"canary,2\n', "quotation marks are not in pairs", 3),
        ('n,x\n1,2\n"canary"s,2\n', "quotation marks are not in pairs", 3),
    ],
)
@pytest.mark.parametrize("parts", [1, 3])
def test_what_is_malformed_is_named_by_its_line(
    text: str, message: str, line: int, parts: int, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text)
    check([str(path)], ["x"])
    with pytest.raises(BadInput, match=message) as refused:
        everything(cut([str(path)], parts), ["x"])
    assert refused.value.line == line
    assert "canary" not in str(refused.value)
    assert str(refused.value).startswith(f"{path}, line {line}: ")


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"n,x\n1,2\n\xff\xfe,3\n")
    with pytest.raises(BadInput, match="no utf-8 text") as refused:
        everything(cut([str(path)], 1), ["x"])
    assert refused.value.line == 3
    path.write_bytes("名,x\n漢,3\n".encode("gb18030"))
    assert everything(cut([str(path)], 1), ["x"], Options("gb18030")) == [[3.0]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("n\n1\n", "no column x"),
        ("x,x\n1,2\n", "more than one column x"),
        ('"x\n', "not closed"),
    ],
)
def test_headers_are_checked_first(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(BadInput, match=message):
        check([str(path)], ["x"])


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32-le", "nonsense"])
def test_encodings_that_cannot_be_cut(encoding: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput):
        check([], ["x"], Options(encoding))


def test_a_file_counts_once(tmp_path: Path) -> None:
    """By whatever name: each record would be there twice, and the noise is for once."""
    path = tmp_path / "a.csv"
    path.write_text("x\n1\n")
    (tmp_path / "other.csv").write_text("x\n1\n")
    (tmp_path / "link.csv").symlink_to(path)
    (tmp_path / "hard.csv").hardlink_to(path)
    check([str(path), str(tmp_path / "other.csv")], ["x"])
    for again in (path, tmp_path / "link.csv", tmp_path / "hard.csv", tmp_path / "." / "a.csv"):
        with pytest.raises(BadInput, match="same file"):
            check([str(path), str(tmp_path / "other.csv"), str(again)], ["x"])


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_text("canary")
    for name in ("no.csv", "no.parquet", "a.parquet", ""):
        with pytest.raises(BadInput) as refused:
            check([str(tmp_path / name)], ["x"])
        assert "canary" not in str(refused.value)


def test_missing_values_are_left_out_on_request(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table(
        {"x": [1.0, None, 3.0], "y": [1, 2, None], "z": ["a", "b", "c"], "w": [1.0, float("nan"), 2.0]}
    )
    pq.write_table(table, tmp_path / "a.parquet")
    (tmp_path / "a.csv").write_text("x,y\n1,1\n,2\n3, \n")
    for name in ("a.parquet", "a.csv"):
        made = cut([str(tmp_path / name)], 1)
        skipping = Options(skip_missing=True)
        assert everything(made, ["x"], skipping) == [[1.0], [3.0]]
        assert everything(made, ["x", "y"], skipping) == [[1.0, 1.0]]
        with pytest.raises(BadInput, match="--skip-missing"):
            everything(made, ["x"])
    made = cut([str(tmp_path / "a.parquet")], 1)
    with pytest.raises(BadInput, match="not of numbers"):
        everything(made, ["z"])
    with pytest.raises(BadInput, match="not a number in row 2"):
        everything(made, ["w"], Options(skip_missing=True))


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """Some thousand records a time, however many there are."""
    path = tmp_path / "a.csv"
    path.write_text("x\n" + "1\n" * 100_000)
    sizes = [len(rows) for rows in read((Piece(str(path), 0, path.stat().st_size, 1),), ["x"])]
    assert sum(sizes) == 100_000
    assert max(sizes) <= 1 << 15
    assert np.isfinite(sizes).all()
