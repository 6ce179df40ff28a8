"""Law 5: unmask(mask(D)) == D bit for bit; DifferenceMask keeps every difference; PrivacyMask its domain."""

from __future__ import annotations

import string
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from masquerade.errors import BadInput, MasqueradeError
from masquerade.keys import Key
from masquerade.mask import array as arrays
from masquerade.mask.array import (
    Codes,
    DifferenceMask,
    Digits,
    Integers,
    PrivacyMask,
    RandomMask,
    Table,
)

KEY = Key.generate()
RANDOM = RandomMask(KEY)

SHAPES = npst.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5)
DTYPES = st.one_of(
    npst.boolean_dtypes(),
    npst.integer_dtypes(),
    npst.unsigned_integer_dtypes(),
    npst.floating_dtypes(),
    npst.complex_number_dtypes(),
    npst.datetime64_dtypes(),
    npst.timedelta64_dtypes(),
    npst.byte_string_dtypes(max_len=7),
    npst.unicode_string_dtypes(max_len=5),
    npst.array_dtypes(npst.scalar_dtypes(), min_size=1, max_size=4, allow_subarrays=True),
    npst.nested_dtypes(max_leaves=4),
)


@st.composite
def memory(draw: st.DrawFn) -> np.ndarray[Any, Any]:
    """Any array: its bits are drawn, and so is how it lies in memory."""
    dtype, shape = draw(DTYPES), draw(SHAPES)
    if dtype.subdtype is not None:  # which no array has: it becomes further dimensions
        dtype = dtype.base
    size = int(np.prod(shape)) * dtype.itemsize
    raw = np.frombuffer(draw(st.binary(min_size=size, max_size=size)), np.uint8)
    # Strings of characters hold code points, not any bits.
    plain = np.zeros(shape, dtype) if "U" in str(dtype.descr) else np.ndarray(shape, dtype, raw.tobytes())
    how = draw(st.sampled_from(["C", "F", "strided", "reversed", "transposed"]))
    if how == "F":
        return np.asfortranarray(plain)
    if how == "strided" and plain.ndim:
        wide = np.zeros((2 * shape[0], *shape[1:]), dtype)
        wide[::2] = plain
        return wide[::2]
    if how == "reversed" and plain.ndim:
        return plain[::-1]
    return plain.T if how == "transposed" else plain


def same(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> bool:
    return (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())


# -- random ----------------------------------------------------------------------------------------------


@settings(max_examples=300, deadline=None)
@given(memory())
def test_any_array_comes_back(data: np.ndarray[Any, Any]) -> None:
    message = RANDOM.mask(data)
    assert message.dtype == np.uint8 and len(message) == RANDOM.size(data)
    back = RANDOM.unmask(message)
    assert same(back, data)
    if data.flags.f_contiguous:
        assert back.flags.f_contiguous


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=3000), st.lists(st.integers(1, 900), min_size=1, max_size=9), st.integers(1, 5000))
def test_every_way_to_cut_a_stream(data: bytes, cuts: list[int], piece: int) -> None:
    """Masked in chunks, unmasked in other chunks, in pieces of any size."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arrays, "PIECE_BYTES", piece)
        message = b"".join(RANDOM.mask_stream(cut(data, cuts)))
        assert RANDOM.unmask(message) == data
        for masked in (message, RANDOM.mask(data).tobytes()):
            _, pieces = RANDOM.unmask_stream(cut(masked, cuts[::-1]))
            assert b"".join(pieces) == data


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    parts, at, i = [], 0, 0
    while at < len(data):
        parts.append(data[at : at + sizes[i % len(sizes)]])
        at += sizes[i % len(sizes)]
        i += 1
    return parts


@settings(max_examples=80, deadline=None)
@given(st.data(), st.binary(max_size=200))
def test_any_change_is_refused(data: st.DataObject, plain: bytes) -> None:
    """A flipped bit, a cut, a piece left out, repeated or moved: refused, in memory and as a stream."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arrays, "PIECE_BYTES", 32)
        message = RANDOM.mask(plain).tobytes()
        at = data.draw(st.integers(0, len(message) - 1))
        how = data.draw(st.sampled_from(["flip", "cut", "drop", "repeat", "swap", "more"]))
        begin = len(message) - sum(32 + 16 for _ in range(len(plain) // 32))
        if how == "flip":
            changed = bytearray(message)
            changed[at] ^= 1 << data.draw(st.integers(0, 7))
            bad = bytes(changed)
        elif how == "cut":
            bad = message[:at]
        elif how == "more":
            bad = message + bytes(data.draw(st.integers(1, 60)))
        else:
            first, second = message[begin : begin + 48], message[begin + 48 : begin + 96]
            turned = {"drop": second, "repeat": first * 2, "swap": second + first}[how]
            bad = message[:begin] + turned + message[begin + 96 :]
            if bad == message:
                return
        with pytest.raises(MasqueradeError):
            RANDOM.unmask(bad)
        with pytest.raises(MasqueradeError):
            _, pieces = RANDOM.unmask_stream([bad])
            list(pieces)


@pytest.mark.parametrize("size", [0, 17, 31, 32, 33, 64])
def test_bytes_behind_the_last_piece_are_refused(size: int) -> None:
    """Also as few as make no other number of pieces likely."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arrays, "PIECE_BYTES", 32)
        message = RANDOM.mask(bytes(size)).tobytes()
        for more in range(1, 50):
            with pytest.raises(MasqueradeError):
                RANDOM.unmask(message + bytes(more))


# -- differences -----------------------------------------------------------------------------------------

WHOLE = st.one_of(npst.integer_dtypes(), npst.unsigned_integer_dtypes()).flatmap(
    lambda dtype: npst.arrays(dtype, SHAPES)
)
NAMES = st.sampled_from(["ada", "ben", "陈", ""])


@settings(max_examples=120, deadline=None)
@given(WHOLE, NAMES)
def test_every_difference_is_kept(data: np.ndarray[Any, Any], name: str) -> None:
    mask = DifferenceMask(KEY)
    masked = mask.mask(data, name)
    assert same(mask.unmask(masked, name), data)
    if data.size:
        word = np.dtype(f"u{data.dtype.itemsize}")
        before, after = (x.astype(word).reshape(-1) for x in (data, masked))
        assert np.array_equal(before - before[:1], after - after[:1])


@settings(max_examples=80, deadline=None)
@given(
    st.sampled_from(["D", "h", "m", "s", "ms", "us", "ns", "6h", "25us"]),
    st.lists(st.tuples(st.integers(-(10**9), 10**9) | st.none(), NAMES), max_size=20),
    st.integers(1, 4000),
)
def test_intervals_are_kept(unit: str, rows: list[tuple[int | None, str]], days: int) -> None:
    ticks = [np.iinfo(np.int64).min if n is None else n for n, _ in rows]
    dates = np.array(ticks, np.int64).view(f"M8[{unit}]")
    names = np.array([name for _, name in rows], np.str_)
    mask = DifferenceMask(KEY, days=days)
    masked = mask.mask(dates, names)
    assert same(mask.unmask(masked, names), dates)
    for name in set(names.tolist()):
        moved = (masked - dates)[names == name]
        moved = moved[~np.isnat(moved)]
        if moved.size:
            assert (moved == moved[0]).all() and moved[0] != np.timedelta64(0)
            shift = moved[0] / np.timedelta64(1, "D")
            assert shift == int(shift) and abs(shift) <= days


@settings(max_examples=80, deadline=None)
@given(WHOLE, st.integers(0, 3))
def test_sums_are_kept(data: np.ndarray[Any, Any], axis: int) -> None:
    mask = DifferenceMask(KEY)
    if axis >= data.ndim or data.shape[axis] < 2:
        with pytest.raises(BadInput):
            mask.mask_keeping_sum(data, axis)
        return
    masked, nonce = mask.mask_keeping_sum(data, axis)
    assert masked.dtype == data.dtype and masked.shape == data.shape
    word = np.dtype(f"u{data.dtype.itemsize}")
    assert np.array_equal(*(x.astype(word).sum(axis=axis, dtype=word) for x in (data, masked)))
    assert same(mask.unmask_keeping_sum(masked, nonce, axis), data)


# -- forms -----------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.integers(-(2**63), 2**63), st.integers(10**6, 2**64), st.data())
def test_integers_stay_in_their_range(low: int, size: int, data: st.DataObject) -> None:
    high = low + size - 1
    fits = high < 2**63 or (low >= 0 and high < 2**64)
    if not fits:
        return
    domain = Integers(low, high)
    dtype = np.int64 if high < 2**63 else np.uint64
    some = data.draw(st.lists(st.integers(low, high) | st.sampled_from([low, high]), max_size=20))
    values = np.array(some, dtype)
    mask = PrivacyMask(KEY, domain)
    masked = mask.mask(values)
    assert all(low <= int(value) <= high for value in masked)
    assert same(mask.unmask(masked), values)
    assert len(np.unique(masked)) == len(np.unique(values))


@st.composite
def codes(draw: st.DrawFn) -> tuple[Codes, list[str]]:
    alphabet = draw(st.lists(st.characters(exclude_characters="\0 -"), min_size=2, max_size=70, unique=True))
    least = next(n for n in range(2, 30) if len(alphabet) ** n >= 10**6)
    text = st.lists(st.sampled_from(alphabet), min_size=least, max_size=least + 40)
    spaced = st.lists(st.integers(0, 80), max_size=4)

    def one(symbols: list[str], places: list[int]) -> str:
        for place in places:
            symbols = [*symbols[:place], "-", *symbols[place:]]
        return "".join(symbols)

    return Codes("".join(alphabet), "- "), draw(st.lists(st.builds(one, text, spaced), max_size=6))


@settings(max_examples=80, deadline=None)
@given(codes())
def test_codes_keep_their_form(drawn: tuple[Codes, list[str]]) -> None:
    domain, texts = drawn
    mask = PrivacyMask(KEY, domain)
    masked = mask.mask(np.array(texts, np.str_))
    for before, after in zip(texts, masked.tolist(), strict=True):
        assert len(before) == len(after) and set(after) <= set(domain.alphabet + domain.separators)
        assert [i for i, c in enumerate(before) if c == "-"] == [i for i, c in enumerate(after) if c == "-"]
    assert mask.unmask(masked).tolist() == texts


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(string.digits, min_size=6, max_size=30), max_size=8))
def test_check_digits_stay_right(payloads: list[str]) -> None:
    numbers = [payload + check_digit(payload) for payload in payloads]
    mask = PrivacyMask(KEY, Digits(luhn=True))
    masked = mask.mask(np.array(numbers, "S")).astype(str).tolist()
    assert all(number[-1] == check_digit(number[:-1]) for number in masked)
    assert mask.unmask(np.array(masked, np.str_)).tolist() == numbers


def check_digit(payload: str) -> str:
    """By the words of ISO/IEC 7812-1, annex B, not as the code has it."""
    total = 0
    for i, digit in enumerate(reversed(payload)):
        twice = int(digit) * 2 if i % 2 == 0 else int(digit)
        total += twice // 10 + twice % 10
    return str(-total % 10)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.text(max_size=6).filter(lambda t: not t.endswith("\0")), min_size=2, max_size=30, unique=True)
    | st.lists(st.integers(-(2**63), 2**63 - 1), min_size=2, max_size=30, unique=True)
)
def test_tables_permute_their_values(values: list[Any]) -> None:
    mask = PrivacyMask(KEY, Table(values))
    masked = mask.mask(np.array(values)).tolist()
    assert sorted(masked) == sorted(values)
    assert mask.unmask(np.array(masked)).tolist() == values
    assert PrivacyMask(KEY, Table(values[::-1])).mask(np.array(values)).tolist() == masked
