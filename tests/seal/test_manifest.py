"""Names of files inside a package, for every system that might open it."""

from __future__ import annotations

import pytest

from masquerade.errors import BadInput, Tampered
from masquerade.seal.manifest import MOST_MEMBERS, Member, check_members, pack_members, unpack_members

GOOD = [
    "a", "model/weights-00001-of-00002.safetensors", ".config", "a.b.c", "模型/权重.bin", "with blank inside",
    "console.txt",
    "a/b/c/d", "é", "-", "com", "company.txt", "x" * 240,
]  # fmt: skip
BAD = [
    "", "/", "/etc/passwd", "a/", "a//b", ".", "..", "../a", "a/../b", "a/./b", "a\\b", "..\\a", "C:", "C:a",
    "c:\\a",
    "\\\\host\\share", "a\0b", "a\nb", "a\x7fb", "a\u202eb", "a\u200bb", "\ufeffa", "a ", " a", "a.",
    "a./b", "con", "NUL",
    "nul.txt", "com1", "COM¹.txt", "lpt9.x.y", "aux /x", "a*", "a?", "a|b", "a<b", 'a"b', "x" * 241, "\ud800",
    "/".join("a" * 33),
]  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_good_names(name: str) -> None:
    packed = pack_members([Member(name, 3)])
    assert unpack_members(packed, 3) == (Member(name, 3),)


@pytest.mark.parametrize("name", BAD, ids=ascii)
def test_bad_names(name: str) -> None:
    with pytest.raises(BadInput, match="file 2 inside"):
        check_members([Member("first", 1), Member(name, 0)])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a", "a"),
        ("a", "A"),
        ("é", "e\u0301"),
        ("a", "a/b"),
        ("a/b", "a"),
        ("A/b/c", "a/B"),
        ("straße", "STRASSE"),
    ],
)
def test_names_that_cannot_stand_beside_each_other(one: str, other: str) -> None:
    with pytest.raises(BadInput, match="on some systems they are the same"):
        check_members([Member(one, 0), Member(other, 0)])


def test_tables_that_are_none() -> None:
    for wrong in (
        b"",
        b"{}x",
        b"1",
        b'[["a"]]',
        b'[["a",1.5]]',
        b"[[1,1]]",
        b'[["a",true]]',
        b"[" * 9999,
        b"\xff",
    ):
        with pytest.raises(Tampered):
            unpack_members(wrong, 0)
    with pytest.raises(Tampered, match="add up"):
        unpack_members(b'[["a",1]]', 2)
    with pytest.raises(BadInput, match="below 0"):
        unpack_members(b'[["a",-1],["b",1]]', 0)
    with pytest.raises(BadInput, match=f"{MOST_MEMBERS:,}"):
        pack_members(Member(str(i), 0) for i in range(MOST_MEMBERS + 1))
