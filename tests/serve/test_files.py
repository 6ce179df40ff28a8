"""Files in and out: byte for byte, wherever the reads end, with every fault told by its place."""

from __future__ import annotations

import io
import json
import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from masquerade.errors import BadInput
from masquerade.keys import Key
from masquerade.mask.policy import Pattern, Policy
from masquerade.mask.span import Fate
from masquerade.mask.text import Masker
from masquerade.serve import files, source
from masquerade.serve.files import (
    Found,
    Options,
    Summary,
    find_file,
    mask_file,
    restore_file,
)
from masquerade.serve.landing import Landing
from masquerade.serve.source import Source
from masquerade.serve.vault import Vault

KEY = Key.generate()
MASKER = Masker(KEY)
PLAUSIBLE = Masker(KEY, Policy(fates={"EMAIL": Fate.PLAUSIBLE, "PHONE": Fate.PLAUSIBLE}))
WORDS = "the quick brown fox jumps over a lazy dog 昨天 客户 打来电话 询问订单。".split(" ")


class Dribble(io.RawIOBase):
    """A pipe that gives a few bytes at a time."""

    def __init__(self, data: bytes, sizes: Iterator[int]) -> None:
        self._data, self._sizes = data, sizes

    def read1(self, _: int) -> bytes:
        size = next(self._sizes)
        piece, self._data = self._data[:size], self._data[size:]
        return piece


def mask(
    folder: Path, data: bytes, name: str = "a.txt", options: Options | None = None, masker: Masker = MASKER
) -> tuple[bytes, Summary]:
    source = Source(io.BytesIO(data), name)
    out, vault = folder / "out", folder / "out.vault"
    rejected = folder / "out.rejected"
    with Landing(str(out), vault=vault, rejected=rejected, force=True) as landing:
        with landing.vault(KEY, "default") as book:
            summary = mask_file(source, landing, masker, options or Options(), book)
        landing.land()
    return out.read_bytes(), summary


def restore(
    folder: Path, data: bytes, name: str = "a.txt", options: Options | None = None
) -> tuple[bytes, Summary]:
    with (
        Landing(str(folder / "back"), force=True) as landing,
        Vault.open(folder / "out.vault", KEY) as vault,
    ):
        summary = restore_file(Source(io.BytesIO(data), name), landing, vault, options or Options())
        landing.land()
    return (folder / "back").read_bytes(), summary


def round_trip(
    folder: Path, data: bytes, name: str = "a.txt", options: Options | None = None, masker: Masker = MASKER
) -> bytes:
    masked, _ = mask(folder, data, name, options, masker)
    back, summary = restore(folder, masked, name, Options(encoding=(options or Options()).encoding))
    assert back == data
    assert not summary.unresolved
    return masked


@pytest.fixture
def small_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces of 8 KiB with 512 characters in sight on both sides of a cut, so that a test has many cuts."""
    monkeypatch.setattr(source, "_READ_BYTES", 8192)
    monkeypatch.setattr(files, "_PIECE", 8192)
    monkeypatch.setattr(files, "_LONG_LINE", 8192)
    monkeypatch.setattr(files, "_REACH", 512)


def prose(n: int, seed: int = 1) -> str:
    chance = random.Random(seed)
    return "".join(chance.choice(WORDS) + (" " if i % 13 else "\n") for i in range(n))


# Text ---------------------------------------------------------------------------------------------------

SAMPLES = {
    "empty": b"",
    "one line": b"mail ada@example.com",
    "crlf": b"mail ada@example.com\r\ncall 13812345678\r\n",
    "mixed ends": b"\r\rmail ada@example.com\n\r\n\n",
    "mark": b"\xef\xbb\xbfmail ada@example.com\n",
    "only a mark": b"\xef\xbb\xbf",
    "part of a mark": b"\xef\xbb",
    "nul": b"a\0b ada@example.com \0",
}


@pytest.mark.parametrize("data", SAMPLES.values(), ids=SAMPLES)
def test_text_comes_back(tmp_path: Path, data: bytes) -> None:
    if data == b"\xef\xbb":
        with pytest.raises(BadInput):
            round_trip(tmp_path, data)
        return
    masked = round_trip(tmp_path, data)
    assert b"ada@example.com" not in masked


KEY_BLOCK = (
    "-----BEGIN PRIVATE KEY-----\n"
    + "".join("Q0FOQVJZ" * 8 + "\n" for _ in range(40))
    + "-----END PRIVATE KEY-----"
)


def test_a_token_that_stood_there_before_stays(tmp_path: Path) -> None:
    own = MASKER.mask("ada@example.com").text
    data = f"{own} and ada@example.com\n[X_REDACTED] [EMAIL_0000000000]".encode()
    masked, _ = mask(tmp_path, data)
    assert restore(tmp_path, masked)[0] == data


@pytest.mark.usefixtures("small_reads")
@pytest.mark.parametrize("form", ["csv", "json"])
@pytest.mark.parametrize("rows", [1, 3000])
@pytest.mark.parametrize("first", [True, False])
def test_a_token_in_a_column_that_is_not_masked_stays(
    tmp_path: Path, form: str, rows: int, first: bool
) -> None:
    own = MASKER.mask("ada@example.com").text
    pairs = [("ada@example.com", "x")] + [("y", "z")] * rows + [("y", f"see {own}")]
    pairs = pairs if first else pairs[::-1]
    if form == "csv":
        data, options = "a,b\n" + "".join(f"{a},{b}\n" for a, b in pairs), Options("csv", columns=("a",))
    else:
        lines = [f'{{"a": "{a}", "b": ["{b}"], "{b}": 1}}\n' for a, b in pairs]
        data, options = "".join(lines), Options("jsonl", fields=("a",))
    masked, _ = mask(tmp_path, data.encode(), options=options)
    assert b"ada@example.com" not in masked
    assert restore(tmp_path, masked, options=Options(options.format))[0] == data.encode()


@pytest.mark.usefixtures("small_reads")
@pytest.mark.parametrize("most", [1, 40, 300, 10_000])
def test_plausible_values_come_back_however_few_are_kept_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(files, "_MOST_BEGINS", most)
    data = "".join(f"mail person{i}@firm.com, call 138{i:08} today.\n" for i in range(400)).encode()
    masked, _ = mask(tmp_path, data, masker=PLAUSIBLE)
    assert b"@firm.com" not in masked
    assert b"@example." in masked
    with Vault.open(tmp_path / "out.vault", KEY) as vault:
        begins = vault.plausible(most)
        assert len(begins) <= max(most, 36)
        assert sum(map(len, vault.plausible(10_000).values())) == 800
    assert restore(tmp_path, masked)[0] == data


VALUES = {
    "key": (KEY_BLOCK, "Q0FOQVJZ"),
    "encrypted key": (
        KEY_BLOCK.replace("PRIVATE", "RSA PRIVATE").replace(
            "-----\nQ", "-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nQ"
        ),
        "Q0FOQVJZ",
    ),
    "email": ("ada.canary@example.com", "canary"),
    "card": ("4111 1111 1111 1111", "1111"),
    "phone": ("手机13812345678", "13812345678"),
    "label": ("password:\n  hunterCANARY2x", "hunterCANARY2x"),
    "resident": ("11010519491231002X", "11010519491231002X"),
}


@pytest.mark.usefixtures("small_reads")
@pytest.mark.parametrize(("value", "canary"), VALUES.values(), ids=VALUES)
def test_nothing_is_missed_at_a_cut(tmp_path: Path, value: str, canary: str) -> None:
    """A value at every place near the ends of the reads, one file for each."""
    filler = prose(6000).encode("ascii", "ignore").decode()  # so that characters are bytes
    whole = mask(tmp_path, f"{filler[:200]}\n{value} \n".encode())[0]
    assert canary.encode() not in whole
    step = 97 if len(value) > 100 else 23
    for place in range(8192 - 2 * 512 - len(value) - 200, 8192 + 300, step):
        text = filler[:place] + " " + value + " " + filler[place:]
        masked, _ = mask(tmp_path, text.encode())
        assert canary.encode() not in masked, f"at {place}"


@pytest.mark.usefixtures("small_reads")
@pytest.mark.parametrize(
    ("expression", "joint"), [("<secret>[^<]*</secret>", "\n"), (r"<secret>[^<\n]*</secret>", " ")]
)
def test_own_patterns_without_a_bound_are_not_cut(tmp_path: Path, expression: str, joint: str) -> None:
    own = Masker(KEY, Policy(patterns=(Pattern("SECRET", expression),)))
    value = "<secret>" + joint.join(f"canary {i}" for i in range(400)) + "</secret>"
    filler = prose(6000).encode("ascii", "ignore").decode()
    for place in range(8192 - len(value) - 600, 8192 + 100, 611):
        text = filler[:place] + joint + value + joint + filler[place:]
        masked, _ = mask(tmp_path, text.encode(), masker=own)
        assert b"canary" not in masked, f"at {place}"


@pytest.mark.usefixtures("small_reads")
@pytest.mark.parametrize("masker", [MASKER, PLAUSIBLE], ids=["tokens", "plausible"])
def test_long_text_comes_back_wherever_it_is_cut(tmp_path: Path, masker: Masker) -> None:
    chance = random.Random(5)
    lines = [
        f"{prose(9, i).strip()} u{i % 700}@example.com, 138{i % 10_000:08} {prose(5, i)}" for i in range(2500)
    ]
    for joint in ("\n", " ", "，"):
        data = joint.join(line.replace("\n", " ") for line in lines).encode()
        masked = round_trip(tmp_path, data, masker=masker)
        if masker is MASKER:
            assert b"@example.com" not in masked
    sizes = iter(lambda: chance.choice([1, 2, 3, 100, 5000, 9000]), 0)
    source = Source(Dribble(data, sizes), "pipe")  # type: ignore[arg-type]
    with Landing(str(tmp_path / "dribbled")) as landing:
        mask_file(source, landing, MASKER, Options())
        landing.land()
    assert (tmp_path / "dribbled").read_bytes() == mask(tmp_path, data)[0]


def test_a_line_without_any_break_is_read_in_parts(tmp_path: Path) -> None:
    text = ("一二三四五六七八九十" * 50 + "ada@example.com") * 3000
    masked = round_trip(tmp_path, text.encode())
    assert b"ada" not in masked


@pytest.mark.usefixtures("small_reads")
@pytest.mark.parametrize("joint", [",x,", ",", "，和", "|"])
def test_values_without_a_break_between_are_parted_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, joint: str
) -> None:
    longest: list[int] = []
    text = files._Mask.text
    monkeypatch.setattr(
        files._Mask, "text", lambda self, piece: longest.append(len(piece)) or text(self, piece)
    )
    data = joint.join(f"u{i}@example.com" for i in range(100_000, 108_000)).encode()
    assert b"@example" not in round_trip(tmp_path, data)
    assert max(longest) < 4 * 8192


@pytest.mark.usefixtures("small_reads")
def test_a_value_without_end_is_refused_and_not_parted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "LONGEST", 100_000)
    text = "one\n-----BEGIN PRIVATE KEY-----\n" + ("QUJD" * 16 + "\n") * 4000
    with pytest.raises(BadInput, match=r"a.txt, line 2: what begins here is longer"):
        mask(tmp_path, text.encode())
    assert not [*tmp_path.iterdir()]


def test_garbled_tokens_come_back(tmp_path: Path) -> None:
    masked, _ = mask(tmp_path, b"mail ada@example.com now")
    token = re.search(rb"\[EMAIL_(\w+)\]", masked)
    assert token
    body = token[1].decode()
    for form in (
        f"**EMAIL {body.lower()}**",
        f"【邮箱_{body}】",
        f"[courriel_{body}]",
        f"[EMAIL_\n{body}]",
        body,
    ):
        back, _ = restore(tmp_path, f"x {form} y".encode())
        assert b"ada@example.com" in back, form


def test_unknown_tokens_are_left_and_counted(tmp_path: Path) -> None:
    mask(tmp_path, b"mail ada@example.com now")
    with Vault.open(tmp_path / "out.vault", KEY) as vault:
        assert vault.count == 1
    other = Masker(KEY).mask("other@example.com").text
    back, summary = restore(tmp_path, other.encode())
    assert back.decode() == other
    assert (summary.restored, summary.unresolved) == (0, 1)


# Encodings ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["gb18030", "gbk", "big5", "shift_jis", "utf-8-sig", "UTF8"])
def test_encodings_come_back(tmp_path: Path, encoding: str) -> None:
    text = "電話 13812345678\r\nada@example.com 中文\n" * 3
    masked = round_trip(tmp_path, text.encode(encoding), options=Options(encoding=encoding))
    assert b"13812345678" not in masked


@pytest.mark.parametrize(
    "encoding", ["utf-16", "utf-32", "utf-7", "hz", "iso2022_jp", "hex", "no-such", "cp037"]
)
def test_encodings_that_have_no_lines_are_refused(tmp_path: Path, encoding: str) -> None:
    with pytest.raises(BadInput, match=r"encoding|line by line"):
        mask(tmp_path, b"abc", options=Options(encoding=encoding))


BROKEN = b"ada@example.com\nline two\n\xff\xfe bob@example.com\nmail eve@example.com\n"


def test_a_broken_line_is_told_by_line_and_byte(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"^a.txt, line 3: byte 25 of the file is no utf-8") as caught:
        mask(tmp_path, BROKEN)
    assert caught.value.line == 3
    assert not [*tmp_path.iterdir()]


def test_a_broken_line_is_set_aside_and_never_passed(tmp_path: Path) -> None:
    masked, summary = mask(tmp_path, BROKEN, options=Options(on_error="skip"))
    assert summary.rejected == 1
    assert masked.count(b"\n") == 3 and b"bob" not in masked and b"example" not in masked
    assert (tmp_path / "out.rejected").read_bytes() == b"\xff\xfe bob@example.com\n"
    assert (tmp_path / "out.rejected").stat().st_mode & 0o777 == 0o600


def test_bytes_that_an_encoding_would_not_write_again_are_told(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="line 2: byte 4 "):
        mask(tmp_path, b"abc\n\x87\x90 ada@example.com", options=Options(encoding="cp932"))
    with pytest.raises(BadInput, match="line 2: byte 4 "):
        mask(tmp_path, b"abc\n\x80", options=Options(encoding="ascii"))


# JSON ---------------------------------------------------------------------------------------------------


def test_json_lines(tmp_path: Path) -> None:
    data = (
        b'{"name": "x", "phone": 13812345678, "n": 7, "at": {"mail":"ada@example.com"} }\r\n'
        b"\n"
        b'["ada@example.com", true, null, "a\\tb", {"bob@example.com": 1.50e3}]\n'
        b'{"password": "hunterCANARY2x"}'
    )
    masked, summary = mask(tmp_path, data, "a.jsonl")
    for line in masked.splitlines():
        assert not line or json.loads(line)
    assert b"13812345678" not in masked and b"example" not in masked and b"CANARY" not in masked
    assert summary.counts["PHONE"] == {"token": 1}
    back, _ = restore(tmp_path, masked, "a.jsonl")
    assert back == data.replace(b"hunterCANARY2x", b"[SECRET_REDACTED]")


@pytest.mark.parametrize("masker", [MASKER, PLAUSIBLE], ids=["tokens", "plausible"])
@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("slashes", [True, False])
def test_the_usual_ways_to_escape_come_back(
    tmp_path: Path, masker: Masker, ascii_only: bool, slashes: bool
) -> None:
    rows = [
        {
            "客户": f'张三 "{i}"\n/ a/b',
            "mail": f"u{i}@example.com 电\u2028话",
            "tel": 13800000000 + i,
            "x": "\x1e é",
        }
        for i in range(50)
    ]
    text = "".join(json.dumps(row, ensure_ascii=ascii_only) + "\n" for row in rows)
    round_trip(tmp_path, (text.replace("/", "\\/") if slashes else text).encode(), "a.jsonl", masker=masker)


def test_a_json_document(tmp_path: Path) -> None:
    data = json.dumps({"a": [{"mail": f"u{i}@example.com"} for i in range(9)]}, indent=2).encode()
    assert json.loads(round_trip(tmp_path, data, "a.json"))


plain = st.text(st.characters(exclude_categories=["Cs"]), max_size=9)
numbers = (
    st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | st.just(13812345678)
)
strings = plain | st.sampled_from(["number:13812345678", "number:", "number:number:7", "a@example.com"])
json_values = st.recursive(
    st.none() | st.booleans() | numbers | strings,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(plain, inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(json_values, max_size=4))
@settings(max_examples=40, deadline=None)
def test_any_json_comes_back(rows: list[object]) -> None:
    import tempfile

    data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    masker = Masker(KEY, Policy(fates={"CREDIT_CARD": Fate.TOKEN, "SECRET": Fate.TOKEN}))
    with tempfile.TemporaryDirectory() as folder:
        masked, _ = mask(Path(folder), data, "a.jsonl", masker=masker)
        assert b"13812345678" not in masked
        back, _ = restore(Path(folder), masked, "a.jsonl")
        assert back == data


def test_fields(tmp_path: Path) -> None:
    data = b'{"a": {"b": "x@example.com", "c": ["y@example.com"]}, "d": [{"e": "z@example.com"}]}\n'
    masked, _ = mask(tmp_path, data, "a.jsonl", Options(fields=("a.b", "d.e")))
    assert re.sub(rb"\[EMAIL_\w+\]", b"#", masked) == (
        b'{"a": {"b": "#", "c": ["y@example.com"]}, "d": [{"e": "#"}]}\n'
    )
    with pytest.raises(BadInput, match=r"a.jsonl: no field 'a.x' in any line \(did you mean 'a\.[bc]'\?\)"):
        mask(tmp_path, data, "a.jsonl", Options(fields=("a.b", "a.x")))
    with pytest.raises(BadInput, match="fields are for JSON"):
        mask(tmp_path, data, "a.csv", Options(fields=("a",)))


def test_marks_outside_the_fields_are_data(tmp_path: Path) -> None:
    data = b'{"a": "number:number:5", "d": "number:\\u4e2d", "b": 13812345678, "c": "number:5"}\n'
    masked, _ = mask(tmp_path, data, "a.jsonl", Options(fields=("b", "c")))
    assert b"138" not in masked
    assert restore(tmp_path, masked, "a.jsonl")[0] == data


BAD_JSON = {
    "truncated": (b'{"a": 1}\n{"a": "ada@exam\n{"a": 2}\n', 2),
    "nan": (b'{"a": NaN}\n', 1),
    "two": (b'{} {"mail": "ada@example.com"}\n', 1),
    "half a pair": (b'\n\n["\\ud800"]\n', 3),
    "deep": (b"[" * 5000 + b"]" * 5000, 1),
}


@pytest.mark.parametrize(("data", "line"), BAD_JSON.values(), ids=BAD_JSON)
def test_bad_json_is_told_by_its_line(tmp_path: Path, data: bytes, line: int) -> None:
    with pytest.raises(BadInput, match=f"a.jsonl, line {line}: this is not JSON") as caught:
        mask(tmp_path, data, "a.jsonl")
    assert "ada" not in str(caught.value)
    masked, summary = mask(tmp_path, data, "a.jsonl", Options(on_error="skip"))
    assert summary.rejected == 1
    assert b"ada" not in masked
    assert (tmp_path / "out.rejected").read_bytes().strip() == data.splitlines()[line - 1].strip()


# CSV ----------------------------------------------------------------------------------------------------

CSV = {
    "plain": b"name,mail\nx,ada@example.com\ny,bob@example.com",
    "crlf and quotes": b'"name","mail"\r\n"x, ""y""","ada@example.com"\r\n',
    "breaks in cells": b'name,note\n1,"mail ada@example.com\r\n\nand 13812345678"\n2,\n',
    "quotes inside": b'a,b\n5" pipe,6" ada@example.com\n',
    "blank lines": b"a,b\n\nx,ada@example.com\n\n\n",
    "empty cells": b",,\n,ada@example.com,\n,,",
    "mark": b'\xef\xbb\xbf"a",b\nada@example.com,"1"\n',
    "no records": b"a,b",
    "nothing": b"",
    "uneven": b"a,b\n1\n1,2,ada@example.com\n",
    "barrier": b"a,b\n\x1e,ada@example.com\x1e\n",
}


@pytest.mark.parametrize("data", CSV.values(), ids=CSV)
def test_csv_comes_back(tmp_path: Path, data: bytes) -> None:
    assert b"ada" not in round_trip(tmp_path, data, "a.csv")


cells = st.text(st.sampled_from('ab, ";\n\r\x1e中'), max_size=6) | st.sampled_from(
    ["a@example.com", "13812345678"]
)


@given(
    st.lists(st.lists(cells, min_size=1, max_size=4), max_size=6),
    st.sampled_from(["\r\n", "\n"]),
    st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_any_csv_comes_back(rows: list[list[str]], ends: str, quoted: bool) -> None:
    import csv
    import tempfile

    out = io.StringIO(newline="")
    csv.writer(out, lineterminator=ends, quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL).writerows(
        rows
    )
    with tempfile.TemporaryDirectory() as folder:
        masked = round_trip(Path(folder), out.getvalue().encode(), "a.csv").decode()
        assert "a@example.com" not in masked and "13812345678" not in masked
        read = [row for row in csv.reader(io.StringIO(masked, newline="")) if row]
        assert [len(row) for row in read] == [
            len(row) for row in csv.reader(io.StringIO(out.getvalue(), newline="")) if row
        ]


@pytest.mark.usefixtures("small_reads")
def test_a_long_cell_over_many_reads(tmp_path: Path) -> None:
    note = prose(8000) + "ada@example.com\n"
    data = f'id,note\n1,"{note}"\n2,"{note * 3}"\n'.encode()
    assert b"ada" not in round_trip(tmp_path, data, "a.csv")


def test_columns(tmp_path: Path) -> None:
    data = b"name,mail,mail2\nx,ada@example.com,bob@example.com\n"
    masked, _ = mask(tmp_path, data, "a.csv", Options(columns=("mail",)))
    assert b"ada" not in masked and b"bob@example.com" in masked
    with pytest.raises(BadInput, match=r"a.csv, line 1: no column 'phone' among 3\Z"):
        mask(tmp_path, data, "a.csv", Options(columns=("phone",)))
    with pytest.raises(BadInput, match="columns are for CSV"):
        mask(tmp_path, data, "a.txt", Options(columns=("mail",)))
    with pytest.raises(BadInput, match="empty"):
        mask(tmp_path, b"", "a.csv", Options(columns=("mail",)))
    by_number = Options(columns=("2",), header=False)
    masked, _ = mask(tmp_path, b"x,ada@example.com,bob@example.com\n", "a.csv", by_number)
    assert b"ada" not in masked and b"bob@example.com" in masked


def test_data_in_the_place_of_a_header_is_not_shown(tmp_path: Path) -> None:
    for name, data in (
        ("a.csv", b"Ada Lovelace,ada@example.com\n"),
        ("a.jsonl", b'{"Ada Lovelace": {"ada": 1}}'),
    ):
        options = Options(columns=("mail",)) if name == "a.csv" else Options(fields=("mail",))
        with pytest.raises(BadInput) as caught:
            mask(tmp_path, data, name, options)
        assert "ada" not in str(caught.value).lower()
    with pytest.raises(BadInput, match=r"no column 'Mail' among 2 \(did you mean 'mail'\?\)"):
        mask(tmp_path, b"name,mail\n", "a.csv", Options(columns=("Mail",)))


def test_a_column_name_is_a_label(tmp_path: Path) -> None:
    masked, _ = mask(tmp_path, b"id,password\n1,hunterCANARY2x\n", "a.csv")
    assert b"CANARY" not in masked and masked.startswith(b"id,password\n1,")


BAD_CSV = {
    "never closed": (b'a,b\n1,"ada@example.com\n2,x\n', 2, "never closed", {}),
    "closed early": (b'a,b\n1,2\n"ada@example.com"x,3\n4,5\n', 3, "closed in the middle", {}),
    "uneven": (b"a,b\n1,2\n1\n3,4\n", 3, "has 1 cells, and the first one has 2", {"columns": ("a",)}),
}


@pytest.mark.parametrize(("data", "line", "says", "more"), BAD_CSV.values(), ids=BAD_CSV)
def test_bad_csv_is_told_by_its_line(
    tmp_path: Path, data: bytes, line: int, says: str, more: dict[str, tuple[str]]
) -> None:
    with pytest.raises(BadInput, match=f"a.csv, line {line}: .*{says}") as caught:
        mask(tmp_path, data, "a.csv", Options(**more))  # type: ignore[arg-type]
    assert "ada" not in str(caught.value)
    masked, summary = mask(tmp_path, data, "a.csv", Options(on_error="skip", **more))  # type: ignore[arg-type]
    assert summary.rejected == 1
    bad = data.splitlines(keepends=True)[line - 1]
    assert (tmp_path / "out.rejected").read_bytes() == bad
    assert masked == data.replace(bad, b"")


@pytest.mark.parametrize("delimiter", [";", "\t", "|", "^", "-", "\x1e"])
def test_delimiters(tmp_path: Path, delimiter: str) -> None:
    data = (
        delimiter.join(["name", "note"]).encode()
        + b"\n"
        + delimiter.join(["x", "ada@example.com"]).encode()
        + b"\n"
    )
    masked, _ = mask(tmp_path, data, "a.csv", Options(delimiter=delimiter))
    assert b"ada" not in masked
    assert restore(tmp_path, masked, "a.csv", Options(delimiter=delimiter))[0] == data


@pytest.mark.parametrize("delimiter", [",,", "\n", '"', "[", "]", "_", "A", "7"])
def test_delimiters_that_cannot_be(tmp_path: Path, delimiter: str) -> None:
    with pytest.raises(BadInput, match="one character"):
        mask(tmp_path, b"a", "a.csv", Options(delimiter=delimiter))


# Finding ------------------------------------------------------------------------------------------------


def found(data: bytes, name: str = "a.txt", options: Options | None = None) -> list[Found]:
    return [*find_file(Source(io.BytesIO(data), name), MASKER, options or Options())]


def test_places_are_lines_and_columns() -> None:
    text = "one\nmail ada@example.com\n\n电话13812345678 and bob@example.com"
    assert [f[:3] for f in found(text.encode())] == [(2, 6, "EMAIL"), (4, 3, "PHONE"), (4, 19, "EMAIL")]
    assert found(text.encode())[1].value == "13812345678"
    assert "13812345678" not in repr(found(text.encode()))
    csv = b'a,b\r\n1,"x ""\r\nada@example.com"\r\n,13812345678'
    assert [f[:3] for f in found(csv, "a.csv")] == [(3, 1, "EMAIL"), (4, 2, "PHONE")]
    lines = b'{"a": "ada@example.com"}\n\n{"n": 13812345678}'
    assert [f[:3] for f in found(lines, "a.jsonl")] == [(1, 8, "EMAIL"), (3, 7, "PHONE")]
    escaped = rb'{"a": "\\ \"\n\u4e2d\ud83d\ude00 ada@example.com"}'
    assert [f[1] for f in found(escaped, "a.jsonl")] == [escaped.index(b"ada") + 1]


@pytest.mark.usefixtures("small_reads")
def test_places_stay_right_over_many_pieces() -> None:
    lines = [f"{prose(7, i)!r} u{i}@example.com" for i in range(1500)]
    for joint in ("\n", " "):
        text = joint.join(lines)
        places = [(text.count("\n", 0, m.start()) + 1, m.start() - text.rfind("\n", 0, m.start()))
                  for m in re.finditer(r"u\d+@example.com", text)]  # fmt: skip
        assert [f[:2] for f in found(text.encode()) if f.kind == "EMAIL"] == places


def test_lines_set_aside_keep_their_numbers() -> None:
    skip = Options(on_error="skip")
    assert [f.line for f in found(BROKEN, options=skip)] == [1, 4]
    assert [f.line for f in found(b'{"a":1}\nbad\n["ada@example.com"]', "a.jsonl", skip)] == [3]
