"""FF1 against the vectors of others, against its text read row by row, and domains at their edges."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given, settings
from hypothesis import strategies as st

from masquerade.errors import BadInput
from masquerade.keys import Key
from masquerade.mask.array import Codes, Digits, Integers, PrivacyMask, Table
from masquerade.mask.fpe import FF1

ALPHABETS = {
    "10": string.digits,
    "26": string.ascii_lowercase,
    "36": string.digits + string.ascii_lowercase,
    "64": string.digits + string.ascii_uppercase + string.ascii_lowercase + "+/",
}
VECTORS = [
    [cell.strip() for cell in line.split("|")]
    for line in (Path(__file__).parent.parent / "vectors" / "ff1.txt").read_text().splitlines()
    if not line.startswith("#")
]
KEY = Key.generate()


def numerals(text: str, alphabet: str) -> np.ndarray:  # type: ignore[type-arg]
    return np.array([[alphabet.index(c) for c in text]], np.uint8)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: v[0])
def test_vectors(vector: list[str]) -> None:
    _, key, tweak, radix, plain, masked = vector
    cipher = FF1(bytes.fromhex(key), int(radix), bytes.fromhex(tweak))
    before, after = (numerals(text, ALPHABETS[radix]) for text in (plain, masked))
    assert np.array_equal(cipher.encrypt(before), after)
    assert np.array_equal(cipher.decrypt(after), before)


def test_all_vectors_are_there() -> None:
    names = [vector[0] for vector in VECTORS]
    assert [name for name in names if name.startswith("sample")] == [f"sample {n}" for n in range(1, 10)]
    shapes = {(len(v[1]) // 2, v[3]) for v in VECTORS if v[0].startswith("acvp")}
    assert shapes == {(size, radix) for size in (16, 24, 32) for radix in ("10", "26", "64")}


def by_the_text(key: bytes, radix: int, tweak: bytes, x: list[int]) -> list[int]:
    """Algorithm 7 of SP 800-38G with Python's integers, one string at a time."""
    n, t, u = len(x), len(tweak), len(x) // 2
    v = n - u
    b = -(-(radix**v - 1).bit_length() // 8)
    d = 4 * -(-b // 4) + 4
    p = bytes([1, 2, 1, *radix.to_bytes(3, "big"), 10, u % 256, *n.to_bytes(4, "big"), *t.to_bytes(4, "big")])

    def ciph(block: bytes) -> bytes:
        return Cipher(algorithms.AES(key), modes.ECB()).encryptor().update(block)

    def num(digits: list[int]) -> int:
        total = 0
        for digit in digits:
            total = total * radix + digit
        return total

    a, b_half = x[:u], x[u:]
    for i in range(10):
        q = tweak + bytes((-t - b - 1) % 16) + bytes([i]) + num(b_half).to_bytes(b, "big")
        r = bytes(16)
        for at in range(0, len(p + q), 16):
            r = ciph(bytes(m ^ n for m, n in zip(r, (p + q)[at : at + 16], strict=True)))
        s = r
        for j in range(1, -(-d // 16)):
            s += ciph(bytes(m ^ n for m, n in zip(r, j.to_bytes(16, "big"), strict=True)))
        m = v if i % 2 else u
        c = (num(a) + int.from_bytes(s[:d], "big")) % radix**m
        digits = []
        for _ in range(m):
            c, digit = divmod(c, radix)
            digits.append(digit)
        a, b_half = b_half, digits[::-1]
    return a + b_half


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 1 << 16), st.binary(max_size=40), st.integers(2, 150), st.data())
def test_every_radix_and_length(radix: int, tweak: bytes, length: int, data: st.DataObject) -> None:
    """Halves of one limb and of many, inputs and outputs of the round function of one block and of many."""
    while radix**length < 10**6:
        length += 1
    key = data.draw(st.binary(min_size=32, max_size=32))
    seed = data.draw(st.integers(0, 2**32))
    ends = [[0] * length, [radix - 1] * length]
    some = np.random.default_rng(seed).integers(0, radix, (2, length)).tolist()
    rows = np.array(ends + some, np.uint16)
    cipher = FF1(key, radix, tweak)
    masked = cipher.encrypt(rows)
    assert masked.tolist() == [by_the_text(key, radix, tweak, row) for row in rows.tolist()]
    assert np.array_equal(cipher.decrypt(masked), rows)


def test_numbers_are_the_strings_that_write_them() -> None:
    cipher = FF1(bytes(32), 10)
    numbers = np.array([0, 1, 999_999_999, 123_456_789], np.uint64)
    strings = np.array([[int(c) for c in f"{n:09d}"] for n in numbers], np.uint8)
    told = [int("".join(map(str, row))) for row in cipher.encrypt(strings)]
    assert cipher.encrypt_numbers(numbers, 9).tolist() == told


@pytest.mark.parametrize(("radix", "length"), [(2, 20), (2, 21), (10, 6), (3, 13)])
def test_a_whole_domain_is_permuted(radix: int, length: int) -> None:
    cipher = FF1(bytes(16), radix)
    every = np.arange(radix**length, dtype=np.uint64)
    masked = cipher.encrypt_numbers(every, length)
    assert np.array_equal(np.sort(masked), every)
    assert np.array_equal(cipher.decrypt_numbers(masked, length), every)


def test_rows_do_not_depend_on_each_other() -> None:
    cipher = FF1(bytes(16), 10)
    rows = np.random.default_rng(1).integers(0, 10, (9000, 16)).astype(np.uint8)
    masked = cipher.encrypt(rows)
    some = np.array([0, 1, 4095, 4096, 8191, 8192, 8999])
    assert np.array_equal(cipher.encrypt(rows[some]), masked[some])
    assert np.array_equal(cipher.encrypt(np.asfortranarray(rows)), masked)


# -- domains ---------------------------------------------------------------------------------------------


def refusal(domain: object, values: object) -> str:
    with pytest.raises(BadInput) as caught:
        PrivacyMask(KEY, domain).mask(values)  # type: ignore[arg-type]
    assert "canary" not in str(caught.value) and "424242" not in str(caught.value)
    return str(caught.value)


def test_a_small_domain_is_refused_and_a_table_named() -> None:
    with pytest.raises(BadInput, match="Table"):
        Integers(0, 999_998)
    Integers(0, 999_999)
    assert "Table" in refusal(Digits(), ["1234567", "12345"])
    assert "row 1" in refusal(Digits(), ["1234567", "12345"])
    assert "Table" in refusal(Digits(luhn=True), ["424242"])
    assert "row 0" in refusal(Digits(luhn=True), [""])
    assert "Table" in refusal(Codes("abcd"), ["abcd"])
    with pytest.raises(BadInput, match="Table"):
        FF1(bytes(16), 10).encrypt(np.zeros((1, 5), np.uint8))


@pytest.mark.parametrize("wrong", [Digits, Integers, None, "digits", range(2_000_000)])
def test_what_is_no_domain_is_refused_and_domains_are_named(wrong: Any) -> None:
    with pytest.raises(BadInput, match=r"one of Integers\(low, high\), Digits\(\)"):
        PrivacyMask(KEY, wrong)


def test_what_is_outside_is_named_by_its_row() -> None:
    big = Integers(0, 2_000_000)
    assert "row 2 " in refusal(big, np.array([1, 2, 42424242]))
    assert "row 0 " in refusal(Codes("abcdefghij"), ["canary"])
    assert "row 1 " in refusal(Digits(luhn=True), ["4111111111111111", "4242424242424241"])
    assert "row 1 " in refusal(Table(["a", "b"]), ["b", "canary"])
    assert "row 16999 " in refusal(Digits(), ["1234567"] * 16999 + ["canary"])
    assert "row 16999 " in refusal(Digits(luhn=True), ["4111111111111111"] * 16999 + ["4242424242424241"])
    assert "int16" in refusal(big, np.array([1], np.int16))
    assert "float64" in refusal(big, np.array([1.0]))
    assert "float64" in refusal(Digits(), np.array([1.0]))
    assert "objects" in refusal(Digits(), np.array(["424242", None]))
    assert "U" in refusal(Table(["a", "b"]), np.array([1, 2]))
    assert "masked array" in refusal(big, np.ma.array([1, 2], mask=[0, 1]))
    assert "ASCII" in refusal(Codes("名字ab"), np.array(["canary"], "S"))
    assert "row 0" in refusal(Digits(), np.zeros(2, "S0"))
    with pytest.raises(BadInput, match="bounds"):
        Integers(0, 1e9)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="not below 10"):
        FF1(bytes(16), 10).encrypt(np.full((1, 8), 10, np.uint8))


@pytest.mark.parametrize(
    "values", [[], ["a"], ["a", "a"], ["a", 1], [True, False], [1, 2**63], ["a", "a\0"], [b"a", b"b"]]
)
def test_impossible_tables(values: list[object]) -> None:
    with pytest.raises(BadInput):
        Table(values)  # type: ignore[arg-type]


@pytest.mark.parametrize("alphabet", ["", "a", "aa", "ab\0", "ab-", "".join(map(chr, range(1, 65_539)))])
def test_impossible_alphabets(alphabet: str) -> None:
    with pytest.raises(BadInput):
        Codes(alphabet, "-")


def test_columns_tenants_and_keys_are_apart() -> None:
    domain, numbers = Integers(0, 10**9), np.arange(1000)
    first = PrivacyMask(KEY, domain).mask(numbers)
    for other in (
        PrivacyMask(KEY, domain, column="a"),
        PrivacyMask(KEY, domain, tenant="acme"),
        PrivacyMask(Key.generate(), domain),
    ):
        assert (other.mask(numbers) == first).sum() < 5
    assert np.array_equal(PrivacyMask(KEY, domain).mask(numbers), first)
    assert PrivacyMask(KEY, Table(range(1000))).mask(numbers).tolist() != list(
        PrivacyMask(KEY, Table(range(1000)), column="a").mask(numbers)
    )


def test_a_table_is_uniform() -> None:
    """Each of the six orders of three values, over 6,000 keys: chi-square with 5 degrees, p = 1e-6."""
    counts: dict[str, int] = {}
    for n in range(6000):
        order = "".join(PrivacyMask(KEY, Table("abc"), column=str(n)).mask(list("abc")))
        counts[order] = counts.get(order, 0) + 1
    assert len(counts) == 6
    assert sum((count - 1000) ** 2 / 1000 for count in counts.values()) < 36


def test_single_values_and_shapes() -> None:
    mask = PrivacyMask(KEY, Digits(luhn=True, separators=" -"))
    card = mask.mask("4111 1111 1111 1111")
    assert isinstance(card, str) and card[4] == card[9] == card[14] == " "
    assert mask.unmask(card) == "4111 1111 1111 1111"
    assert mask.mask("4111111111111111") == card.replace(" ", "")
    square = np.array([["1234567", "7654321"], ["1111111", "2222222"]])
    masked = PrivacyMask(KEY, Digits()).mask(square)
    assert masked.shape == (2, 2) and masked.dtype == square.dtype
    big = square.astype(">U9")
    assert PrivacyMask(KEY, Digits()).mask(big).tolist() == masked.tolist()
    assert PrivacyMask(KEY, Digits()).mask(big).dtype == np.dtype(">U9").newbyteorder("=")
    assert repr(Table(["canary", "b"])) == "Table(2 values)"
