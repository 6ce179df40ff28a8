"""The literal formulas: every word of 8 bits under every R, wider ones by chance, and the table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from masquerade.errors import BadInput, Tampered
from masquerade.keys import Key
from masquerade.mask import formulas
from masquerade.mask.array import RandomMask
from masquerade.mask.formulas import mask, missing_bits, properties, side_stream, unmask

SEAL = RandomMask(Key.generate())
EVERY = np.arange(256, dtype=np.uint8)
D, R = (np.ascontiguousarray(grid) for grid in np.meshgrid(EVERY, EVERY))  # a row for each R
ROWS = {row.formula: row for row in properties(8)}
EVEN = R[:, 0] % 2 == 0


def literal(formula: str, d: int, r: int, w: int) -> int:
    """With Python's integers."""
    other = {"random": r, "difference": r - d, "privacy": r * d}[formula]
    return d ^ (other % 2**w)


def images(masked: np.ndarray[Any, Any]) -> list[int]:
    return [len(np.unique(row)) for row in masked]


@pytest.mark.parametrize("formula", ["random", "difference", "privacy"])
def test_every_word_of_8_bits(formula: formulas.Formula) -> None:
    told = [[literal(formula, d, r, 8) for d in range(256)] for r in range(256)]
    assert mask(formula, D, R).tolist() == told


def test_what_is_bijective() -> None:
    assert images(mask("random", D, R)) == [256] * 256
    assert max(images(mask("difference", D, R))) < 256
    odd = [n for n, even in zip(images(mask("privacy", D, R)), EVEN, strict=True) if not even]
    even = [n for n, even in zip(images(mask("privacy", D, R)), EVEN, strict=True) if even]
    assert even == [256] * 128 and max(odd) <= 128


def test_the_table_of_properties() -> None:
    for formula, row in ROWS.items():
        spoken = EVEN if formula == "privacy" else np.ones(256, bool)
        masked = mask(formula, D, R)[spoken]
        assert np.mean(images(masked)) == row.images
        # How many D share an M: what M and R leave open of D, in bits.
        left = []
        for values in masked:
            _, which, many = np.unique(values, return_inverse=True, return_counts=True)
            left.append(np.log2(many[which]).mean())
        assert 8 - np.mean(left) == pytest.approx(row.bits_kept, abs=1e-12)
    assert [row.images for row in properties(16)] == [2**16, 1.5**15, 2**16]
    assert [row.bits_kept for row in properties(64)] == [64, 31.5, 64]


def test_what_leaks() -> None:
    """M for one D over all R: uniform, but for the privacy formula, where trailing zeros show."""
    for formula in ("random", "difference"):
        assert all(len(np.unique(column)) == 256 for column in mask(formula, D, R).T)
    zeros = np.array([8 if n == 0 else (n & -n).bit_length() - 1 for n in range(256)])
    masked = mask("privacy", D, R)[EVEN]
    assert np.array_equal(zeros[masked], zeros[D[EVEN]])
    for d in (1, 2, 3, 12, 255):  # and nothing else does
        assert len(np.unique(masked[:, d])) == 256 >> (zeros[d] + 1)


def test_no_difference_is_kept() -> None:
    for formula in ROWS:
        masked = mask(formula, D, R)
        kept = [np.array_equal(masked[:, d + 1] - masked[:, d], np.ones(256, np.uint8)) for d in range(255)]
        assert not any(kept)


def test_every_word_comes_back() -> None:
    assert np.array_equal(unmask("random", mask("random", D, R), R), D)
    masked = mask("difference", D, R)
    assert np.array_equal(unmask("difference", masked, R, side_stream(D, R, SEAL), SEAL), D)
    assert missing_bits(masked) == 256 * 256 * 4.5
    assert np.array_equal(unmask("privacy", mask("privacy", D[EVEN], R[EVEN]), R[EVEN]), D[EVEN])


def test_the_side_stream_has_no_bit_too_many() -> None:
    """For each M and R exactly 2^missing words D are possible."""
    for r in range(256):
        masked = mask("difference", EVERY, np.uint8(r))
        _, which, many = np.unique(masked, return_inverse=True, return_counts=True)
        assert many[which].tolist() == [2 ** missing_bits(m) for m in masked]


@st.composite
def words(draw: st.DrawFn) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    dtype = np.dtype(draw(st.sampled_from(["u1", "<u2", ">u2", "<u4", ">u4", "<u8", ">u8"])))
    shape = draw(npst.array_shapes(min_dims=0, min_side=0, max_side=6))
    values = npst.from_dtype(dtype)
    data = draw(npst.arrays(dtype, shape, elements=values, fill=values))
    return data, draw(npst.arrays(dtype, draw(st.sampled_from([shape, ()])), elements=values, fill=values))


@settings(max_examples=120, deadline=None)
@given(words())
def test_all_widths(drawn: tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]) -> None:
    d, r = drawn
    w = 8 * d.dtype.itemsize
    wide = np.broadcast_to(r, d.shape)
    for formula in ROWS:
        masked = mask(formula, d, r)
        told = [
            literal(formula, *pair, w)
            for pair in zip(d.reshape(-1).tolist(), wide.reshape(-1).tolist(), strict=True)
        ]
        assert masked.shape == d.shape and masked.reshape(-1).tolist() == told
        if formula == "random":
            assert np.array_equal(unmask(formula, masked, r), d)
        elif formula == "difference":
            assert np.array_equal(unmask(formula, masked, r, side_stream(d, r, SEAL), SEAL), d)
        else:
            even = (r & ~r.dtype.type(1)).astype(r.dtype)
            assert np.array_equal(unmask(formula, mask(formula, d, even), even), d)


def test_long_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formulas, "_WORDS", 7)
    rng = np.random.default_rng(1)
    d, r = rng.integers(0, 2**32, (2, 100), dtype=np.uint32)
    assert np.array_equal(unmask("difference", mask("difference", d, r), r, side_stream(d, r, SEAL), SEAL), d)


def test_refusals() -> None:
    m = mask("difference", EVERY, np.uint8(3))
    side = side_stream(EVERY, np.uint8(3), SEAL)
    with pytest.raises(BadInput, match="loses half"):
        unmask("difference", m, np.uint8(3))
    with pytest.raises(BadInput, match="another length"):
        unmask("difference", m[:9], np.uint8(3), side, SEAL)
    with pytest.raises(Tampered):
        unmask("difference", m, np.uint8(3), side[:-1], SEAL)
    with pytest.raises(BadInput, match="place 1"):
        unmask("privacy", m, EVERY)
    with pytest.raises(BadInput, match="one width"):
        mask("random", EVERY, np.uint16(3))
    with pytest.raises(BadInput, match="does not fit"):
        mask("random", EVERY, EVERY[:3])
    with pytest.raises(BadInput, match="unsigned"):
        mask("random", EVERY.astype(np.int8), EVERY.astype(np.int8))
    with pytest.raises(BadInput, match="formulas are"):
        mask("other", EVERY, EVERY)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="8, 16, 32 or 64"):
        properties(12)
