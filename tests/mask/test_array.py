"""Masks of bytes and arrays: the message by its specification, keys, refusals, buffers, tensors."""

from __future__ import annotations

import hashlib
import hmac
import json
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from hypothesis import given
from hypothesis import strategies as st

from masquerade import crypto, errors
from masquerade.errors import BadInput, KeyProblem, Tampered
from masquerade.keys import Key
from masquerade.mask.array import (
    PIECE_BYTES,
    Codes,
    Content,
    DifferenceMask,
    Digits,
    Integers,
    PrivacyMask,
    RandomMask,
    Table,
)

KEY = Key.generate()
MASK = RandomMask(KEY)


# -- random ----------------------------------------------------------------------------------------------


def by_the_page(message: bytes, key: Key, tenant: str = "default") -> tuple[dict[str, Any], bytes]:
    """A message read as docs/arrays.md describes it, by nothing of ours but the tenant's key."""
    assert message[:8] == b"MQARRAY1"
    assert message[8:12].hex() == key.id
    head, length = message[:32], int.from_bytes(message[28:32], "big")
    secret = key.tenant(tenant).purpose("random mask")
    label = b"masquerade random mask"
    own = HKDFExpand(SHA256(), 32, len(label).to_bytes(2, "big") + label + head).derive(secret)
    content = AESGCM(own).decrypt(bytes(12), message[32 : 48 + length], None)
    data, at, number = b"", 48 + length, 1
    while at < len(message):
        piece = message[at : at + PIECE_BYTES + 16]
        at += len(piece)
        nonce = number.to_bytes(11, "big") + bytes([at == len(message)])
        data += AESGCM(own).decrypt(nonce, piece, None)
        number += 1
    return json.loads(content), data


@pytest.mark.parametrize("size", [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 2 * PIECE_BYTES])
def test_the_message_is_as_the_page_says(size: int) -> None:
    data = np.arange(size, dtype=np.uint64).astype(np.uint8)
    content, plain = by_the_page(MASK.mask(data).tobytes(), KEY)
    assert content == {"form": "array", "dtype": "|u1", "shape": [size], "order": "C", "note": {}}
    assert plain == data.tobytes()
    content, plain = by_the_page(MASK.mask(data.tobytes()).tobytes(), KEY)
    assert content["form"] == "bytes" and plain == data.tobytes()
    assert np.array_equal(MASK.unmask(MASK.mask(data)), data)


def test_two_messages_have_nothing_in_common() -> None:
    data = bytes(4096)
    first, second = MASK.mask(data), MASK.mask(data)
    assert (first[48:] == second[48:]).mean() < 0.02
    assert MASK.unmask(first) == MASK.unmask(second) == data
    counts = np.bincount(MASK.mask(bytes(1 << 18))[-(1 << 18) :], minlength=256)
    assert ((counts - 1024.0) ** 2 / 1024).sum() < 400  # chi-square, 255 degrees: p < 1e-7


def test_keys() -> None:
    old = MASK.mask(b"canary")
    assert RandomMask(KEY.rotate()).unmask(old) == b"canary"
    with pytest.raises(KeyProblem, match=KEY.id) as caught:
        RandomMask(Key.generate()).unmask(old)
    assert "canary" not in str(caught.value)
    with pytest.raises(Tampered):
        RandomMask(KEY, tenant="acme").unmask(old)
    forged = old.copy()
    other = Key.generate()
    forged[8:12] = np.frombuffer(bytes.fromhex(other.id), np.uint8)
    with pytest.raises(Tampered):
        RandomMask(other).unmask(forged)
    assert repr(MASK) == f"RandomMask(key={KEY.id}, tenant='default')"


@pytest.mark.parametrize("bad", [b"", b"MQARRAY1", b"canary" * 20, np.zeros(3, np.int16), "text", None, 3])
def test_what_is_no_message(bad: Any) -> None:
    with pytest.raises(BadInput) as caught:
        MASK.unmask(bad)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (np.array(["canary", None]), "Python objects"),
        (np.zeros(2, [("a", "O"), ("b", "i4")]), "Python objects"),
        (np.ma.array([1, 2], mask=[0, 1]), "masked array"),
        ([1, 2], "list"),
        ("canary", "str"),
    ],
)
def test_what_cannot_be_masked(bad: Any, said: str) -> None:
    with pytest.raises(BadInput, match=said) as caught:
        MASK.mask(bad)
    assert "canary" not in str(caught.value)


def test_dtypes_that_are_hard_to_write_down() -> None:
    dtypes: list[Any] = [
        [("a", "<i4"), ("b", ">f8", (2, 3)), ("c", [("d", "S3"), ("e", "M8[25us]")])],
        [(("title", "name"), "i2"), ("x", "U4")],
        {"names": ["a", "b"], "formats": ["u1", "f8"], "offsets": [3, 16], "itemsize": 32},
        np.dtype([("a", "u1"), ("b", "f8")], align=True),
        np.dtype([("a", ("<i4", (2,)), (3,)), ("b", "u1")]),
        np.dtype([("a", ([("b", "<i2"), ("c", "<i2", (2, 1))], (2,)), (3, 2))]),
        "V7", "S0", "m8[M]", "c32" if hasattr(np, "complex256") else "c16", "g", ">U2", "e",
    ]  # fmt: skip
    for described in dtypes:
        data = np.zeros((2, 3), described)
        back = MASK.unmask(MASK.mask(data))
        assert back.dtype == data.dtype and back.tobytes() == data.tobytes(), described
    scalar = MASK.unmask(MASK.mask(np.float32(2.5)))
    assert scalar.shape == () and scalar == np.float32(2.5)


def test_buffers_are_used_again() -> None:
    data = np.arange(300_000, dtype=np.float64).reshape(100, 3000)
    room = bytearray(MASK.size(data) + 10)
    message = MASK.mask(data, out=room)
    assert bytes(room[: len(message)]) == message.tobytes() and room[len(message) :] == bytes(10)
    into = np.empty_like(data)
    assert MASK.unmask(message, out=into) is into
    assert np.array_equal(into, data)
    plain = MASK.unmask(MASK.mask(b"canary"), out=bytearray(9))
    assert plain.tobytes() == b"canary"
    for wrong in (into.T, into[:, :9], into.astype(np.float32), np.empty((100, 3000), order="F"), [1]):
        with pytest.raises(BadInput):
            MASK.unmask(message, out=wrong)
    for small in (bytearray(9), bytes(len(message)), np.empty(len(message), np.int8)):
        with pytest.raises(BadInput):
            MASK.mask(data, out=small)


def test_a_buffer_does_not_lie_over_the_data() -> None:
    room = np.zeros(4096, np.uint8)
    with pytest.raises(BadInput, match="lies over"):
        MASK.mask(room[100:200], out=room)
    message = MASK.mask(b"canary" * 10, out=room)
    with pytest.raises(BadInput, match="lies over"):
        MASK.unmask(message, out=room)
    with pytest.raises(BadInput, match="16 MiB"):
        next(MASK.mask_stream([], Content(note={"n": "x" * (1 << 24)})))


def test_nothing_is_given_out_of_a_changed_message() -> None:
    data = np.full(3 * PIECE_BYTES, 7, np.uint8)
    message = MASK.mask(data)
    message[-20] ^= 1
    into = np.full_like(data, 9)
    with pytest.raises(Tampered):
        MASK.unmask(message, out=into)
    assert not into.any()
    _, pieces = MASK.unmask_stream([message.tobytes()])
    assert next(pieces) == data[:PIECE_BYTES].tobytes()
    assert next(pieces) == data[:PIECE_BYTES].tobytes()
    with pytest.raises(Tampered):
        next(pieces)


def test_views_of_memory() -> None:
    data = bytearray(b"abcdef")
    assert MASK.unmask(MASK.mask(memoryview(data)[::2])) == b"ace"
    assert MASK.unmask(memoryview(MASK.mask(data).tobytes())) == b"abcdef"
    frozen = np.arange(9)
    frozen.flags.writeable = False
    assert np.array_equal(MASK.unmask(MASK.mask(frozen)), frozen)


def test_streams_take_constant_memory() -> None:
    count, chunk = 48, bytes(PIECE_BYTES // 2)
    tracemalloc.start()
    total = 0
    content, pieces = MASK.unmask_stream(
        MASK.mask_stream((chunk for _ in range(count)), Content(note={"n": 1}))
    )
    for piece in pieces:
        total += len(piece)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert total == count * len(chunk) and content.note == {"n": 1}
    assert peak < 12 * PIECE_BYTES


def test_torch_is_left_alone() -> None:
    program = (
        "import sys, numpy as np\nfrom masquerade.keys import Key\n"
        "from masquerade.mask.array import RandomMask\n"
        "m = RandomMask(Key.generate())\nm.unmask(m.mask(np.arange(3)))\nassert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


TENSORS: dict[str, Callable[[Any], Any]] = {
    "floats": lambda t: t.arange(12.0).reshape(3, 4),
    "bfloat16": lambda t: t.arange(12).to(t.bfloat16),
    "float8": lambda t: t.arange(12.0).to(t.float8_e4m3fn),
    "a scalar": lambda t: t.tensor(3),
    "bools": lambda t: t.tensor([True, False]),
    "complex": lambda t: t.randn(3, dtype=t.complex64).conj(),
    "empty": lambda t: t.empty(0, 3),
    "transposed": lambda t: t.arange(12).reshape(3, 4).T,
    "a parameter": lambda t: t.nn.Parameter(t.ones(3)),
    "one of a column": lambda t: t.arange(4.0).reshape(1, 4)[:, 0],
    "one, negated": lambda t: t.tensor([1 + 2j]).conj().imag,
}


@pytest.mark.parametrize("make", TENSORS.values(), ids=TENSORS)
def test_tensors_come_back(make: Callable[[Any], Any]) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed to make tensors with")
    tensor = make(torch)
    message = MASK.mask(tensor)
    back = MASK.unmask(message)
    assert back.dtype == tensor.dtype and back.shape == tensor.shape
    assert torch.equal(back.to(torch.complex128), tensor.detach().to(torch.complex128))
    into = torch.zeros(tensor.shape, dtype=tensor.dtype)
    assert MASK.unmask(message, out=into) is into
    assert torch.equal(into.to(torch.complex128), back.to(torch.complex128))


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_tensors_are_read_in_place() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed to make tensors with")
    from masquerade.mask.content import taken

    tensor = torch.arange(1000, dtype=torch.int32)
    _, view = taken(tensor)
    tensor[0] = 77
    assert view[0] == 77
    with pytest.raises(BadInput, match="sparse"):
        MASK.mask(torch.eye(3).to_sparse())
    for no_data in (
        torch.empty(3, device="meta"),
        torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]),
    ):
        with pytest.raises(BadInput, match="only dense tensors"):
            MASK.mask(no_data)
    for wrong in (torch.zeros(3), torch.zeros(1000, 2, dtype=torch.int32)[:, 0], np.zeros(1000, np.int32)):
        with pytest.raises(BadInput):
            MASK.unmask(MASK.mask(tensor), out=wrong)


# -- differences -----------------------------------------------------------------------------------------


def test_subjects_have_their_own_secrets() -> None:
    mask, values = DifferenceMask(KEY), np.zeros(4, np.int64)
    names = np.array(["ada", "ben", "ada", "cem"])
    masked = mask.mask(values, names)
    assert masked[0] == masked[2] and len(set(masked.tolist())) == 3
    assert mask.mask(values, list(names)).tolist() == masked.tolist()
    assert mask.mask(values[:1], "ada") == masked[:1]
    for other in (
        DifferenceMask(KEY, series="b"),
        DifferenceMask(KEY, tenant="acme"),
        DifferenceMask(Key.generate()),
    ):
        assert not (other.mask(values, names) == masked).any()
    assert "ada" not in repr(mask)


def test_secrets_are_uniform() -> None:
    names = np.array([str(n) for n in range(25_600)])
    counts = np.bincount(DifferenceMask(KEY).mask(np.zeros(len(names), np.uint8), names), minlength=256)
    assert ((counts - 100.0) ** 2 / 100).sum() < 400
    days = DifferenceMask(KEY, days=3).mask(np.zeros(len(names), "M8[D]"), names).astype(int)
    assert sorted(set(days.tolist())) == [-3, -2, -1, 1, 2, 3]
    assert ((np.bincount(days + 3, minlength=7)[[0, 1, 2, 4, 5, 6]] - 4266.7) ** 2 / 4266.7).sum() < 40


def test_shares_are_uniform_and_fresh() -> None:
    mask, values = DifferenceMask(KEY), np.zeros((3, 25_600), np.uint8)
    masked, nonce = mask.mask_keeping_sum(values)
    again, other = mask.mask_keeping_sum(values)
    assert nonce != other and (masked == again).mean() < 0.02
    for row in masked:
        assert ((np.bincount(row, minlength=256) - 100.0) ** 2 / 100).sum() < 400
    for i, j in ((0, 1), (0, 2), (1, 2)):  # any two of three: no difference, no sum of them is preferred
        assert ((np.bincount(masked[i] - masked[j], minlength=256) - 100.0) ** 2 / 100).sum() < 400
    assert not masked.sum(axis=0, dtype=np.uint8).any()
    with pytest.raises(BadInput, match="two values"):
        mask.mask_keeping_sum(values[:1])
    with pytest.raises(BadInput, match="two values"):
        mask.mask_keeping_sum(np.array(3))


def test_what_has_no_differences_to_keep() -> None:
    mask = DifferenceMask(KEY)
    for bad in (np.zeros(2), np.zeros(2, bool), np.zeros(2, "m8[s]"), np.array([None]), np.array(["canary"])):
        with pytest.raises(BadInput):
            mask.mask(bad, "ada")
    with pytest.raises(BadInput, match="masked array"):
        mask.mask(np.ma.array([1, 2], mask=[0, 1]), "ada")
    for unit in ("Y", "M", "W", "ps", "7h", "generic"):
        with pytest.raises(BadInput, match="whole days"):
            mask.mask(np.array(["NaT"], f"M8[{unit}]" if unit != "generic" else "M8"), "ada")
    with pytest.raises(BadInput, match="shape"):
        mask.mask(np.zeros(2, int), ["ada"])
    with pytest.raises(BadInput, match="subjects"):
        mask.mask(np.zeros(2, int), np.array([1, 2]))
    for days in (0, -1, 1_000_001):
        with pytest.raises(BadInput, match="days"):
            DifferenceMask(KEY, days=days)


def test_a_date_never_wraps_around() -> None:
    low, high = np.iinfo(np.int64).min + 1, np.iinfo(np.int64).max
    names = np.array([str(n) for n in range(50)])
    for end in (low, high):
        dates = np.full(50, end).view("M8[ns]")
        with pytest.raises(BadInput, match=r"row \d+ lies so near") as caught:
            DifferenceMask(KEY).mask(dates, names)
        assert str(end) not in str(caught.value)
    assert np.isnat(DifferenceMask(KEY).mask(np.array(["NaT"], "M8[ns]"), "ada")).all()


# -- vectors ---------------------------------------------------------------------------------------------

VECTORS = json.loads((Path(__file__).parent.parent / "vectors" / "arrays.json").read_text(encoding="utf-8"))
PUBLIC = Key.parse(VECTORS["key"])
DOMAINS = {"Integers": Integers, "Digits": Digits, "Codes": Codes, "Table": Table}


@pytest.mark.parametrize("vector", VECTORS["messages"])
def test_vectors_of_messages(vector: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    mask = RandomMask(PUBLIC, vector["tenant"])
    message = bytes.fromhex(vector["message"])
    content, data = by_the_page(message, PUBLIC, vector["tenant"])
    assert (content, data.hex()) == (vector["content"], vector["data"])
    found = mask.unmask(message)
    monkeypatch.setattr(crypto, "random_bytes", lambda n: bytes.fromhex(vector["salt"])[:n])
    assert mask.mask(found).tobytes() == message


def test_a_vector_of_two_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    vector = VECTORS["long"]
    monkeypatch.setattr(crypto, "random_bytes", lambda n: bytes.fromhex(vector["salt"])[:n])
    message = RandomMask(PUBLIC).mask(bytes(PIECE_BYTES + 1)).tobytes()
    assert crypto.sha256(message).hex() == vector["sha256"]
    assert by_the_page(message, PUBLIC)[1] == bytes(PIECE_BYTES + 1)


@pytest.mark.parametrize("vector", VECTORS["bad"], ids=lambda v: v["why"])
def test_vectors_that_are_refused(vector: dict[str, Any]) -> None:
    mask, message = RandomMask(PUBLIC), bytes.fromhex(vector["message"])
    for read in (mask.unmask, lambda m: list(mask.unmask_stream([m])[1])):
        with pytest.raises(getattr(errors, vector["error"])):
            read(message)


def expanded(key: bytes, label: str, *context: bytes) -> bytes:
    info = len(label).to_bytes(2, "big") + label.encode() + b"".join(context)
    return HKDFExpand(SHA256(), 32, info).derive(key)


@pytest.mark.parametrize("vector", VECTORS["differences"])
def test_vectors_of_differences(vector: dict[str, Any]) -> None:
    mask = DifferenceMask(PUBLIC, vector["tenant"], vector["series"], days=vector["days"])
    values, masked = (np.array(vector[name], vector["dtype"]) for name in ("values", "masked"))
    found = mask.mask(values, vector["subject"])
    assert found.tobytes() == masked.tobytes()
    root = PUBLIC.tenant(vector["tenant"]).purpose("difference mask")
    own = expanded(root, "masquerade subjects", vector["series"].encode())
    size = 0 if values.dtype.kind == "M" else values.dtype.itemsize
    secret = hmac.digest(own, bytes([size]) + vector["subject"].encode(), "sha256")
    if size:
        s = int.from_bytes(secret[:size], "little")
        assert (int(masked[0]) - int(values[0]) - s) % 256**size == 0
    else:
        shift = int.from_bytes(secret, "little") % (2 * vector["days"]) - vector["days"]
        assert masked[0] - values[0] == np.timedelta64(shift + (shift >= 0), "D")


@pytest.mark.parametrize("vector", VECTORS["sums"])
def test_vectors_of_sums(vector: dict[str, Any]) -> None:
    mask, nonce = DifferenceMask(PUBLIC, vector["tenant"], vector["series"]), bytes.fromhex(vector["nonce"])
    values, masked = (np.array(vector[name], vector["dtype"]) for name in ("values", "masked"))
    assert np.array_equal(mask.unmask_keeping_sum(masked, nonce, vector["axis"]), values)
    root = PUBLIC.tenant(vector["tenant"]).purpose("difference mask")
    own = expanded(root, "masquerade shares", vector["series"].encode())
    own = expanded(own, "masquerade zero sum", nonce, bytes([values.dtype.itemsize]))
    stream = Cipher(AES(own), CTR((2).to_bytes(16, "big"))).encryptor().update(bytes(values[1:].nbytes))
    assert np.array_equal((masked - values)[:-1].reshape(-1), np.frombuffer(stream, "<u4"))


@pytest.mark.parametrize("vector", VECTORS["forms"])
def test_vectors_of_forms(vector: dict[str, Any]) -> None:
    domain: Any = DOMAINS[vector["domain"]](**vector["of"])
    mask = PrivacyMask(PUBLIC, domain, tenant=vector["tenant"], column=vector["column"])
    assert mask.mask(np.array(vector["values"])).tolist() == vector["masked"]
    assert mask.unmask(np.array(vector["masked"])).tolist() == vector["values"]


def test_a_table_is_as_the_page_says() -> None:
    values, column = ["0", "A", "AB", "B"], "blood"
    array = np.array(values, "<U2")
    digest = hashlib.sha256(b"<U2\0" + array.tobytes()).digest()
    own = expanded(
        PUBLIC.tenant("default").purpose("privacy mask"), "masquerade table", digest, column.encode()
    )
    stream = Cipher(AES(own), CTR((2).to_bytes(16, "big"))).encryptor().update(bytes(64))
    numbers = [int.from_bytes(stream[16 * i : 16 * i + 16], "little") for i in range(4)]
    images = [values[place] for place in sorted(range(4), key=numbers.__getitem__)]
    assert PrivacyMask(PUBLIC, Table(values), column=column).mask(values).tolist() == images


# -- the edges -------------------------------------------------------------------------------------------


def test_a_shift_that_the_unit_does_not_hold_is_refused() -> None:
    wide = DifferenceMask(KEY, days=1_000_000)
    for unit, fits in (("ns", False), ("us", True), ("D", True)):
        dates = np.array(["2026-01-05", "2026-01-19"], f"M8[{unit}]")
        if not fits:
            with pytest.raises(BadInput, match="at most 106,751"):
                wide.mask(dates, "a")
            continue
        for subject in map(str, range(50)):
            days = (wide.mask(dates, subject) - dates) / np.timedelta64(1, "D")
            assert days[0] == days[1] == round(days[0])
            assert 1 <= abs(days[0]) <= 1_000_000


def test_two_subjects_are_never_one() -> None:
    mask = DifferenceMask(KEY)
    for subject in ("a\0", ["a\0", "a"], ("a", "a\0")):
        with pytest.raises(BadInput, match="NUL"):
            mask.mask(np.array([1, 2]), subject)


def test_half_a_character_is_no_name() -> None:
    half = "canary \ud800"
    for wrong in (
        lambda: DifferenceMask(KEY).mask(np.array([1]), half),
        lambda: DifferenceMask(KEY, series=half),
        lambda: PrivacyMask(KEY, Digits(), column=half).mask(["123456"]),
        lambda: PrivacyMask(KEY, Table(["a", "b"]), column=half).mask(["a"]),
        lambda: PrivacyMask(KEY, Integers(0, 10**6), column=half).mask([5]),
    ):
        with pytest.raises(BadInput, match="surrogate") as refused:
            wrong()
        assert "canary" not in str(refused.value)


def test_a_table_knows_integers_beyond_those_of_floating_point() -> None:
    listed = [2**53, 2**53 + 1, 2**60 + 1, 5]
    mask = PrivacyMask(KEY, Table(listed))
    for dtype in (np.uint64, np.int64):
        values = np.array(listed, dtype)
        masked = mask.mask(values)
        assert sorted(masked.tolist()) == sorted(listed)
        assert mask.unmask(masked).tolist() == listed
    for outside in (2**64 - 1, 2**53 + 2, 2**60):
        with pytest.raises(BadInput, match="not in the table"):
            mask.mask(np.array([outside], np.uint64))


def test_a_view_of_nothing_is_masked_as_nothing() -> None:
    assert MASK.unmask(MASK.mask(memoryview(np.empty((0, 3))))) == b""


@pytest.mark.parametrize(
    "dtype",
    [
        {"names": ["a", "b"], "formats": ["i4", "i2"], "offsets": [0, 0], "itemsize": 4},
        {"names": ["b", "a"], "formats": ["f8", ">i4"], "offsets": [12, 0], "itemsize": 24},
        {"names": ["a", "b"], "formats": ["i4", "S3"], "offsets": [0, 2], "titles": ["whole", None]},
        {
            "names": ["x"],
            "formats": [({"names": ["p", "q"], "formats": ["u1", "u2"], "offsets": [1, 0]}, (2,))],
        },
    ],
)
def test_fields_may_overlap_and_stand_in_any_order(dtype: Any) -> None:
    array = np.random.default_rng(1).integers(0, 256, 5 * np.dtype(dtype).itemsize, np.uint8).view(dtype)
    back = MASK.unmask(MASK.mask(array))
    assert back.dtype == array.dtype and back.tobytes() == array.tobytes()
    assert back.dtype.fields == array.dtype.fields


ABSENT: list[dict[str, Any]] = [{}, {"na_object": None}, {"na_object": np.nan}, {"na_object": "none here"}]


@given(
    st.lists(st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"]))), max_size=12),
    st.sampled_from(ABSENT),
    st.booleans(),
    st.booleans(),
)
def test_strings_of_any_length(
    texts: list[str | None], absent: dict[str, Any], coerce: bool, turned: bool
) -> None:
    dtype = np.dtypes.StringDType(**absent, coerce=coerce)
    array = np.array([absent.get("na_object", "") if text is None else text for text in texts], dtype)
    if turned:
        array = np.array([array, array[::-1]]).T
    message = MASK.mask(array)
    assert len(message) == MASK.size(array)
    for back in (MASK.unmask(message), MASK.unmask(message, np.empty_like(array))):
        assert back.dtype == array.dtype and back.shape == array.shape
        assert [repr(text) for text in back.ravel().tolist()] == [
            repr(text) for text in array.ravel().tolist()
        ]


def test_an_array_of_no_dtype_of_numpys_own_is_refused() -> None:
    marked = np.array(["a"], np.dtypes.StringDType(na_object=object()))
    for array, why in ((np.array([{}], object), "Python objects"), (marked, "an object of your own")):
        with pytest.raises(BadInput, match=why):
            MASK.mask(array)
