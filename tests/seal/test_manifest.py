"""What a package says of itself: one spelling, and names that are safe in every folder."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masquerade.dp.accountant import Gaussian, Pure, Repeated, Sampled
from masquerade.dp.ledger import Account, Budget
from masquerade.errors import BadInput
from masquerade.seal.manifest import Manifest, Member, Paid, Price, Public, check_names

GOOD = [
    ["a"],
    ["model/a.safetensors", "model/b.safetensors", "model/sub/c"],
    [".hidden", "..hidden", "a..b", "communication", "nul_", "com", "com10", "aux1"],
    ["模型/权重.bin", "modèle", "Ω", "e.m@il+tag,x;y=z", "a b/c d", "x" * 255],
    ["ab", "a/b", "a.b"],
]
BAD = {
    "leads out": [
        "..", ".", "", "../a", "a/../b", "a/..", "a/./b", "a//b", "a/", "./a", "model/../../../etc/passwd",
    ],
    "absolute": ["/a", "/", "//server/share"],
    "character": [
        "a\0b", "a\nb", "a\x7f", "a\x1b[31m", "\\a", "a\\..\\b", "C:a", "c:/x", "a*", "a?", 'a"', "a<b",
        "a>b", "a|b", "a:stream", "\u202ecod.exe", "a\u2066b", "\ufeffa", "a\x85b", "a\u2028b",
    ],
    "edge": ["a.", "a ", "a./b", "b/a ", " a", "... ", "x/..."],
    "device": [
        "con", "CON", "Prn.txt", "aux", "NUL", "nul.tar.gz", "com1", "COM9.x", "lpt0", "LPT3", "a/nul/b",
        "com¹", "lpt².x",         "conin$", "CONOUT$.log", "con .txt",
    ],
    "longer": ["/".join(["x" * 200] * 6)],
    "more than": ["x" * 256, "é" * 128],
    "half": ["\ud800", "a/\udfff"],
}  # fmt: skip
SAME = [
    ["a", "a"],
    ["a", "A"],
    ["Readme", "README"],
    ["modèle", "mode\u0300le"],
    ["straße", "STRASSE"],
    ["a", "a/b"],
    ["a/b", "A"],
    ["A/b", "a/B"],
    ["a", "a\u200d"],
    ["a/\u200cb/c", "a/b/C"],
    ["ﬁle", "file"],
]


@pytest.mark.parametrize("names", GOOD, ids=lambda names: names[0])
def test_good_names(names: list[str]) -> None:
    check_names(names)
    check_names([], names)


@pytest.mark.parametrize(
    ("why", "name"), [(why, name) for why, names in BAD.items() for name in names], ids=ascii
)
def test_bad_names(why: str, name: str) -> None:
    for files, folders in (([name], []), ([], [name]), (["ok", name], [])):
        with pytest.raises(BadInput, match=why) as problem:
            check_names(files, folders)
        assert len(name) < 3 or name not in str(problem.value)
    with pytest.raises(BadInput):
        Manifest((Member(name, 1),)).check()


@pytest.mark.parametrize("names", SAME, ids=ascii)
def test_names_that_are_one_on_some_system(names: list[str]) -> None:
    for order in (names, names[::-1]):
        with pytest.raises(BadInput, match="another's too"):
            check_names(order)
    with pytest.raises(BadInput, match="another's too"):
        check_names(names[:1], names[1:])


def test_folders_that_are_not_empty_are_none() -> None:
    with pytest.raises(BadInput, match="another's too"):
        check_names(["a/b/c"], ["a/b"])
    check_names(["a/b/c"], ["a/d"])


numbers = st.floats(1e-9, 1e9)
events = st.one_of(
    st.builds(Gaussian, numbers),
    st.builds(Pure, numbers),
    st.builds(Sampled, st.floats(1e-6, 1), st.builds(Gaussian, numbers)),
    st.builds(Repeated, st.builds(Gaussian, numbers), st.integers(1, 10)),
)
paid = st.builds(
    Paid,
    st.text('abc é中"\\/', max_size=9),
    st.sampled_from(["record", "person"]),
    numbers,
    st.floats(0, 0.9),
    st.floats(0, 1e6) | st.just(float("inf")),
    st.lists(st.tuples(events, st.integers(1, 2**40)), max_size=3).map(tuple),
)


@given(
    ledger=st.lists(paid, max_size=3).map(tuple),
    card=st.text(st.characters(exclude_categories=["Cs"]), max_size=50),
    sizes=st.lists(st.integers(0, 2**50), min_size=1, max_size=5),
)
def test_a_manifest_has_one_spelling(ledger: tuple[Paid, ...], card: str, sizes: list[int]) -> None:
    manifest = Manifest(
        tuple(Member(f"f{i}", size) for i, size in enumerate(sizes)), ("e",), "s", card, "{}", ledger
    )
    manifest.check()
    data = manifest.encode()
    assert Manifest.decode(data) == manifest
    public = Public(3, "T", manifest.budget)
    assert Public.decode(public.encode()) == public
    for other in (data + b" ", b" " + data, data.replace(b'","', b'", "', 1), data[:-1], data + data):
        if other != data:
            with pytest.raises(BadInput, match="as the format demands"):
                Manifest.decode(other)


def test_spellings_of_numbers() -> None:
    def read(number: str) -> Public:
        told = '{"budget":[{"delta":"%s","epsilon":"3.0","spent":"0.0","unit":"u"}],"sequence":1,"title":""}'
        return Public.decode((told % number).encode())

    for number in ("0.0", "1e-05", "0.1", "0.0001", "2.5e-09"):
        assert read(number).budget == (Price("u", 3.0, float(number), 0.0),)
    for number in (
        "0",
        "1E-05",
        "0.10",
        "1e-5",
        ".1",
        "-0.0",
        "nan",
        "١.0",
        "0x1",
        "1_0.0",
        " 0.0",
        "0.00001",
    ):
        with pytest.raises(BadInput):
            read(number)


def test_what_is_no_manifest_is_refused_without_its_text() -> None:
    good = Manifest((Member("a", 1),)).encode()
    for data in (
        b"", b"null", b"[]", b"{}", b"\xff", b"[" * 5000,
        good.replace(b"1", b"true"), good.replace(b"1", b"1.0"),
        good.replace(b"[]", b"{}", 1), good.replace(b'"a"', b"5"), good.replace(b'"card"', b'"canary"'),
        good.replace(b"1", b"NaN"), good.replace(b'""', b'"canary\\ud800"', 1),
        good.replace(b"1", b"9" * 5000),
    ):  # fmt: skip
        with pytest.raises(BadInput) as problem:
            Manifest.decode(data)
        assert "canary" not in str(problem.value)
    for count in (0, -1):
        with pytest.raises(BadInput, match="once or more"):
            Manifest(
                (Member("a", 1),), ledger=(Paid("a", "u", 1.0, 0.0, 0.0, ((Pure(1.0), count),)),)
            ).check()
    with pytest.raises(BadInput, match="1 to"):
        Manifest(()).check()


def test_an_account_of_a_ledger() -> None:
    pytest.importorskip("dp_accounting", reason="dp-accounting is not installed")
    account = Account(Budget(3.0, 1e-6), {Pure(0.5): 2, Pure(0.25): 1})
    found = Paid.of("patients", "person", account)
    assert found.events == ((Pure(0.25), 1), (Pure(0.5), 2))
    assert (found.epsilon, found.delta) == (3.0, 1e-6)
    assert found.spent == pytest.approx(1.25, rel=1e-3)
