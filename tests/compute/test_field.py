"""Fixed point: the way there and back, the range, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from masquerade.compute.field import FixedPoint
from masquerade.errors import BadInput

CANARY = 31337.0625

formats = st.builds(
    FixedPoint,
    bits=st.sampled_from([32, 64]),
    fraction_bits=st.integers(0, 20),
    bound=st.floats(0.01, 1000),
)


@given(st.data(), formats)
def test_decode_undoes_encode(data: st.DataObject, fixed: FixedPoint) -> None:
    shape = data.draw(st.sampled_from([(0,), (1,), (3, 5), (2, 0, 4), ()]))
    values = data.draw(arrays(np.float64, shape, elements=st.floats(-fixed.bound, fixed.bound)))
    encoded = fixed.encode(values, clients=1)
    assert encoded.clipped == 0
    assert encoded.words.shape == (values.size,)
    np.testing.assert_allclose(
        fixed.decode(encoded.words), values.ravel(), rtol=0, atol=2.0 ** -(fixed.fraction_bits + 1)
    )


@given(formats, st.integers(1, 2000), st.sampled_from([1, -1]))
def test_a_full_house_of_largest_values_does_not_wrap(fixed: FixedPoint, clients: int, sign: int) -> None:
    if clients > fixed.capacity:
        with pytest.raises(BadInput, match="wrap around"):
            fixed.encode([0.0], clients=clients)
        return
    word = fixed.encode([sign * fixed.bound], clients=clients).words
    total = (word.astype(object) * clients % (1 << fixed.bits)).astype(fixed.dtype)
    assert fixed.decode_integers(total)[0] == sign * clients * fixed.largest


@pytest.mark.parametrize("bits", [32, 64])
def test_at_capacity_it_fits_and_one_more_would_not(bits: int) -> None:
    fixed = FixedPoint(bits, 10, 3.7)
    assert fixed.capacity * fixed.largest < 1 << (bits - 1) <= (fixed.capacity + 1) * fixed.largest
    fixed.check(fixed.capacity)
    with pytest.raises(BadInput, match="wrap around"):
        fixed.check(fixed.capacity + 1)


def test_eleven_hundred_clients_of_largest_weight_give_the_true_mean() -> None:
    """A peer returned 14.50 in silence where the mean was 1.00."""
    with pytest.raises(BadInput, match="wrap around"):
        FixedPoint(32, 12, 8.0, weight_bound=1000.0).check(1100)
    fixed = FixedPoint(64, 16, 8.0, weight_bound=1000.0)
    words = fixed.encode(np.ones(5), clients=1100, weight=1000.0).words
    mean, weight = fixed.decode_mean(words * np.uint64(1100))
    assert weight == 1_100_000.0
    np.testing.assert_array_equal(mean, np.ones(5))


@given(st.floats(0.01, 50), st.floats(0.01, 50), st.integers(0, 8))
def test_a_rounded_weight_stays_within_the_range(bound: float, weight: float, fraction_bits: int) -> None:
    fixed = FixedPoint(32, fraction_bits, bound, weight_bound=weight)
    words = fixed.encode([bound, -bound], clients=1, weight=weight).words
    assert np.abs(fixed.decode_integers(words)).max() <= fixed.largest


@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(0, 9)), min_size=1, max_size=30))
def test_weighted_means_are_numpys(pairs: list[tuple[float, float]]) -> None:
    fixed = FixedPoint(64, 30, 5.0, weight_bound=9.0)
    words = sum(fixed.encode([x], clients=30, weight=w).words for x, w in pairs)
    if sum(w for _, w in pairs) < 1e-3:
        return
    mean, _ = fixed.decode_mean(np.asarray(words))
    np.testing.assert_allclose(
        mean, np.average([x for x, _ in pairs], weights=[w for _, w in pairs]), atol=1e-4
    )


def test_clipping_is_asked_for_and_counted() -> None:
    fixed = FixedPoint(32, 8, 2.0)
    values = np.array([-9.0, -2.0, 0.5, 2.0, 2.01, 1e300])
    with pytest.raises(BadInput, match="3 of 6 values lie outside"):
        fixed.encode(values, clients=3)
    encoded = fixed.encode(values, clients=3, clip=True)
    assert encoded.clipped == 3
    np.testing.assert_array_equal(fixed.decode(encoded.words), [-2.0, -2.0, 0.5, 2.0, 2.0, 2.0])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("clip", [False, True])
def test_what_is_not_finite_is_never_clipped(bad: float, clip: bool) -> None:
    values = np.zeros(100_000)
    values[[7, 99_999]] = bad
    with pytest.raises(BadInput, match="2 of 100,000 values are not finite"):
        FixedPoint(32, 8, 2.0).encode(values, clients=3, clip=clip)


@pytest.mark.parametrize("dtype", ["?", "i1", "u1", "<i4", ">i4", "u8", "i8", "f2", "<f4", ">f8"])
def test_every_real_dtype_in_every_layout(dtype: str) -> None:
    values = np.arange(12).reshape(3, 4).astype(dtype)
    fixed = FixedPoint(64, 4, 100.0)
    for view in (values, np.asfortranarray(values), values[::-1, ::2]):
        np.testing.assert_array_equal(
            fixed.decode(fixed.encode(view, clients=2).words), view.ravel().astype(np.float64)
        )


def test_what_a_mask_of_numpy_hides_is_not_summed() -> None:
    """NumPy turns a masked array into a plain one with all that was hidden."""
    fixed = FixedPoint(64, 16, 1e6)
    hidden = np.ma.array([1.0, 987654.0], mask=[False, True])
    with pytest.raises(BadInput, match="fill them") as caught:
        fixed.encode(hidden, clients=3)
    assert "987654" not in str(caught.value)
    for plain in (hidden.filled(0), np.ma.array([1.0, 0.0])):
        assert fixed.decode(fixed.encode(plain, clients=3).words).tolist() == [1.0, 0.0]


def test_what_was_encoded_is_not_shown() -> None:
    encoded = FixedPoint(32, 0, 1e9).encode([77777777], clients=1)
    assert repr(encoded) == "Encoded(1 words, clipped=0)"


def test_integers_are_exact_beyond_what_a_float_holds() -> None:
    fixed = FixedPoint(64, 0, 2.0**62)
    values = np.array([2**61 + 1, -(2**61) - 1, 0])
    np.testing.assert_array_equal(fixed.decode_integers(fixed.encode(values, clients=1).words), values)
    narrow = FixedPoint(32, 3, 5.5)
    encoded = narrow.encode(np.array([6, -6, 5, -128], np.int8), clients=1, clip=True)
    assert encoded.clipped == 3
    np.testing.assert_array_equal(narrow.decode(encoded.words), [5, -5, 5, -5])
    assert narrow.encode(np.array([2**64 - 1], np.uint64), clients=1, clip=True).clipped == 1


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: FixedPoint(16, 8, 1.0), "32 or 64"),
        (lambda: FixedPoint(32, 32, 1.0), "0 to 31"),
        (lambda: FixedPoint(32, -1, 1.0), "0 to 31"),
        (lambda: FixedPoint(32, 8, float("nan")), "bound"),
        (lambda: FixedPoint(32, 8, 0.0), "bound"),
        (lambda: FixedPoint(32, 8, 1.0, weight_bound=float("inf")), "weight_bound"),
        (lambda: FixedPoint(32, 30, 1e300), "no room"),
        (lambda: FixedPoint(32, 8, 1.0).encode(["a"], clients=1), "no real numbers"),
        (lambda: FixedPoint(32, 8, 1.0).encode([1j], clients=1), "no real numbers"),
        (lambda: FixedPoint(32, 8, 1.0).encode([[1.0], [1.0, 2.0]], clients=1), "no real numbers"),
        (lambda: FixedPoint(32, 8, 1.0).encode([1.0], clients=0), "at least one"),
        (lambda: FixedPoint(32, 8, 1.0).encode([1.0], clients=1, weight=1.0), "no weights"),
        (lambda: FixedPoint(32, 8, 1.0, 2.0).encode([1.0], clients=1), "has weights"),
        (lambda: FixedPoint(32, 8, 1.0, 2.0).encode([1.0], clients=1, weight=3.0), "outside 0"),
        (lambda: FixedPoint(32, 8, 1.0, 2.0).encode([1.0], clients=1, weight=float("nan")), "outside 0"),
        (lambda: FixedPoint(32, 8, 1.0, 2.0).decode_mean(np.zeros(3, np.uint32)), "no mean"),
        (lambda: FixedPoint(32, 8, 1.0).decode_mean(np.zeros(3, np.uint32)), "no weights"),
        (lambda: FixedPoint(32, 8, 1.0).decode(np.zeros(3, np.uint64)), "uint32"),
        (
            lambda: FixedPoint(32, 8, 1.0).encode([CANARY], clients=1),
            "1 of 1 values lie outside the bound of 1: ",
        ),
    ],
)
def test_what_cannot_be_is_refused_and_shows_no_value(make, told) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(BadInput, match=told) as caught:
        make()
    assert "31337" not in str(caught.value)
