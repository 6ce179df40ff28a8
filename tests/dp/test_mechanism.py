"""Clipping is reported, noise is as wide as its event says, shares suffice for the survivors."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from masquerade.crypto import STREAM_KEY_BYTES, Keystream
from masquerade.dp.accountant import Gaussian, Pure, price
from masquerade.dp.mechanism import (
    Mechanism,
    Norm,
    Sensitivity,
    clip,
    gaussian,
    laplace,
    quieter,
    vector_sensitivity,
)
from masquerade.errors import BadInput

ONE = Sensitivity(1, 1, 1, 1)


def stream(seed: int = 0) -> Callable[[int], bytes]:
    return Keystream(seed.to_bytes(STREAM_KEY_BYTES, "big")).read


# -- clipping --------------------------------------------------------------------------------------------

rows = st.lists(
    st.lists(st.floats(-1e9, 1e9), min_size=3, max_size=3), min_size=1, max_size=8
)  # fmt: skip


@given(rows, st.floats(1e-3, 1e6), st.sampled_from(["l1", "l2", "linf"]))
@settings(max_examples=100, deadline=None)
def test_no_vector_is_longer_than_the_bound(rows: list[list[float]], bound: float, norm: Norm) -> None:
    order = {"l1": 1, "l2": 2, "linf": math.inf}[norm]
    before = np.array(rows)
    after, clipped = clip(before, bound, norm)
    assert (np.linalg.norm(after, ord=order, axis=1) <= bound).all()
    longer = np.linalg.norm(before, ord=order, axis=1) > bound
    assert clipped == longer.sum()
    assert np.array_equal(after[~longer], before[~longer])
    if norm != "linf":  # the direction stays
        lengths = np.linalg.norm(before[longer], axis=1) * np.linalg.norm(after[longer], axis=1)
        assert np.allclose((before[longer] * after[longer]).sum(axis=1), lengths, rtol=1e-9)
    again = clip(after, bound, norm)
    assert again.clipped == 0
    assert np.array_equal(again.values, after)


def test_clipping_leaves_the_input_alone_and_takes_numbers() -> None:
    given_ = np.array([1.0, -5.0])
    values, clipped = clip(given_, 2, "linf")
    assert values.tolist() == [1.0, -2.0]
    assert clipped == 1
    assert given_.tolist() == [1.0, -5.0]
    assert clip(given_, 2, "l1").values.tolist() == pytest.approx([1.0, -2.0])
    assert clip(np.empty((0, 4)), 1).values.shape == (0, 4)


@pytest.mark.parametrize(
    ("values", "bound", "norm"),
    [([math.nan], 1, "l2"), ([math.inf], 1, "linf"), ([1.0], 0, "l2"), ([1.0], math.inf, "l2"),
     ([[[1.0]]], 1, "l2"), ([1.0], 1, "l3")],
)  # fmt: skip
def test_what_cannot_be_clipped_is_refused(values: object, bound: float, norm: Norm) -> None:
    with pytest.raises(BadInput) as refused:
        clip(values, bound, norm)  # type: ignore[arg-type]
    assert "nan" not in str(refused.value).lower().replace("a nan or", "")


# -- noise -----------------------------------------------------------------------------------------------


def made(kind: str, **more: object) -> Mechanism:
    if kind == "gaussian":
        return gaussian(ONE, epsilon=1, delta=1e-6, **more)  # type: ignore[arg-type]
    return laplace(ONE, epsilon=1, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["gaussian", "laplace"])
@pytest.mark.parametrize("survivors", [1, 5])
def test_noise_is_as_wide_as_stated(kind: str, survivors: int) -> None:
    mechanism, read = made(kind, survivors=survivors), stream()
    noise = mechanism.add(np.full(100_000, 7.25), read) - 7.25
    assert abs(noise.mean()) < 5 * mechanism.std / math.sqrt(1e5)
    assert noise.std() == pytest.approx(mechanism.std, rel=0.03)
    assert np.array_equal(noise / mechanism.grid, np.rint(noise / mechanism.grid))
    if isinstance(mechanism.event, Gaussian):
        assert mechanism.std >= mechanism.event.noise_multiplier * mechanism.sensitivity.l2
    else:
        assert isinstance(mechanism.event, Pure)
        assert mechanism.width * mechanism.grid >= mechanism.sensitivity.l1 / mechanism.event.epsilon


@pytest.mark.parametrize("kind", ["gaussian", "laplace"])
def test_shares_of_the_survivors_are_enough_and_all_shares_more(kind: str) -> None:
    mechanism, read = made(kind, survivors=4), stream()
    shares = np.array([mechanism.share(50_000, read) for _ in range(6)]) * mechanism.grid
    assert shares[:4].sum(axis=0).std() == pytest.approx(mechanism.std, rel=0.03)
    assert shares.sum(axis=0).std() == pytest.approx(mechanism.std * math.sqrt(6 / 4), rel=0.03)
    assert shares[:3].sum(axis=0).std() < mechanism.std * 0.95
    assert np.abs(shares).max() < mechanism.reach


def test_no_share_is_narrower_than_two_grid_units() -> None:
    mechanism = gaussian(ONE, noise_multiplier=3.0, survivors=100, fraction_bits=0, step=1)
    assert mechanism.share(200_000, stream()).std() == pytest.approx(2.0, rel=0.02)
    assert mechanism.std == pytest.approx(20.0)


def test_noise_differs_from_call_to_call() -> None:
    mechanism = made("gaussian")
    assert mechanism.add(np.zeros(8)).tolist() != mechanism.add(np.zeros(8)).tolist()
    assert mechanism.add(np.zeros(8), stream()).tolist() == mechanism.add(np.zeros(8), stream()).tolist()


def test_shapes_and_limits_of_values() -> None:
    mechanism = made("gaussian")
    assert mechanism.add(np.zeros((2, 3))).shape == (2, 3)
    assert mechanism.add(5.0).shape == ()
    assert mechanism.decode(mechanism.encode([1.5, -2.25])).tolist() == [1.5, -2.25]
    for bad in (math.nan, math.inf, 1e30):
        with pytest.raises(BadInput):
            mechanism.encode([bad])


# -- price -----------------------------------------------------------------------------------------------


@given(
    st.floats(0.05, 5), st.sampled_from([1e-5, 1e-9]), st.integers(1, 4),
    st.sampled_from([ONE, vector_sensitivity(3.5, "l2", 100), vector_sensitivity(1e-3, "linf", 7)]),
)  # fmt: skip
@settings(max_examples=10, deadline=None)
def test_a_mechanism_costs_what_was_asked(
    epsilon: float, delta: float, survivors: int, sensitivity: Sensitivity
) -> None:
    made = gaussian(sensitivity, epsilon=epsilon, delta=delta, survivors=survivors)
    assert epsilon * 0.995 < price(made.event, delta) <= epsilon
    pure = laplace(sensitivity, epsilon=epsilon)
    assert price(pure.event, 0) == epsilon
    best = quieter(sensitivity, epsilon=epsilon, delta=delta, survivors=survivors)
    assert best.std <= made.std
    assert price(best.event, delta) <= epsilon


def test_a_coarse_grid_costs_more_noise_or_is_refused() -> None:
    """Rounding may change each of 100 coordinates by one grid unit more, and slack grows with the grid."""
    wide = vector_sensitivity(1.0, "l2", 100)
    fine, coarse = (
        gaussian(wide, epsilon=1, delta=1e-6, fraction_bits=bits) for bits in (20, 10)
    )  # fmt: skip
    assert fine.std < coarse.std
    assert coarse.sensitivity.l2 == 1 + 10 * 2.0**-10
    assert price(coarse.event, 1e-6) <= 1
    with pytest.raises(BadInput, match="too coarse"):
        gaussian(wide, epsilon=1, delta=1e-6, fraction_bits=0, step=1)
    assert gaussian(wide, noise_multiplier=4, fraction_bits=10, step=1).sensitivity == wide
    assert gaussian(wide, noise_multiplier=4, fraction_bits=10, step=2.0**-11).sensitivity != wide


@pytest.mark.parametrize("sigma", [16.0, 100.0])
def test_the_slack_of_the_grid_covers_the_true_distance(sigma: float) -> None:
    """The discrete Gaussian itself, against the rounded continuous one: within the slack everywhere."""
    from scipy.stats import norm

    event = gaussian(ONE, noise_multiplier=sigma, fraction_bits=0, step=1).event
    assert isinstance(event, Gaussian)
    k = np.arange(-int(13.6 * sigma), 1)
    discrete = -(k**2) / (2 * sigma**2) - math.log(sigma * math.sqrt(2 * math.pi))
    upper, lower = norm.logcdf((k + 0.5) / sigma), norm.logcdf((k - 0.5) / sigma)
    rounded = upper + np.log(-np.expm1(lower - upper))
    off = discrete - rounded
    assert off.max() - off.min() <= event.slack.grid
    assert off.max() - off.min() > event.slack.grid / 10


@pytest.mark.parametrize(("sigma", "shift"), [(16.0, 4), (40.0, 40)])
def test_the_price_covers_the_exact_loss_of_the_discrete_gaussian(sigma: float, shift: int) -> None:
    """Delta computed from all probabilities of the two neighbours, at the epsilon that we say."""
    sensitivity = Sensitivity(shift, shift, shift, 1)
    event = gaussian(sensitivity, noise_multiplier=sigma / shift, fraction_bits=0, step=1).event
    k = np.arange(-int(30 * sigma), int(30 * sigma))
    p = np.exp(-(k**2) / (2 * sigma**2))
    q = np.exp(-((k - shift) ** 2) / (2 * sigma**2))
    for delta in (1e-3, 1e-6, 1e-9):
        epsilon = price(event, delta)
        exact = np.maximum(p - math.exp(epsilon) * q, 0).sum() / p.sum()
        assert exact <= delta


def told_apart(with_one: np.ndarray, without: np.ndarray, epsilon: float) -> float:
    """What the best attack on cells of equal mass gains beyond e**epsilon, from samples of both sides.

    Half of the samples choose the cells, the other half tell the gain: so it is no better than the truth.
    """
    half = len(with_one) // 2
    edges = np.unique(np.quantile(without[:half], np.linspace(0, 1, 201)[1:-1]))
    counts = [
        [np.bincount(np.searchsorted(edges, side), minlength=len(edges) + 1) / half for side in pair]
        for pair in ((with_one[:half], without[:half]), (with_one[half:], without[half:]))
    ]
    chosen = counts[0][0] > math.exp(epsilon) * counts[0][1]
    return float((counts[1][0] - math.exp(epsilon) * counts[1][1])[chosen].sum())


@pytest.mark.parametrize("survivors", [1, 4])
@pytest.mark.parametrize("delta", [0.0, 0.02])
def test_an_attacker_tells_neighbours_no_better_apart_than_the_price_says(
    delta: float, survivors: int
) -> None:
    """And with half of the noise, better: the attack has teeth."""
    epsilon, n, read = 0.5, 400_000, stream(5)

    def attack(mechanism: Mechanism) -> float:
        sides = []
        for sum_ in (10.0, 9.0):
            units = np.full(n, mechanism.encode([sum_])[0])
            for _ in range(survivors):
                units += mechanism.share(n, read)
            sides.append(mechanism.decode(units))
        return max(told_apart(*sides, epsilon), told_apart(*sides[::-1], epsilon))

    if delta:
        honest = gaussian(ONE, epsilon=epsilon, delta=delta, survivors=survivors, step=1)
        assert isinstance(honest.event, Gaussian)
        broken = gaussian(ONE, noise_multiplier=honest.event.noise_multiplier / 2, survivors=survivors)
    else:
        honest = laplace(ONE, epsilon=epsilon, survivors=survivors, step=1)
        broken = laplace(ONE, epsilon=2 * epsilon, survivors=survivors, step=1)
    slack = 5 / math.sqrt(n / 2)
    assert attack(honest) < delta + slack
    assert attack(broken) > delta + 3 * slack


def test_a_laplace_that_shares_would_ruin_is_refused() -> None:
    many = vector_sensitivity(1.0, "l2", 10_000)
    with pytest.raises(BadInput, match="Gaussian"):
        laplace(many, epsilon=1, survivors=3)
    assert quieter(many, epsilon=1, delta=1e-6, survivors=3).noise == "gaussian"


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: gaussian(ONE),
        lambda: gaussian(ONE, epsilon=1),
        lambda: gaussian(ONE, noise_multiplier=1, epsilon=1, delta=1e-6),
        lambda: gaussian(ONE, noise_multiplier=0),
        lambda: gaussian(ONE, noise_multiplier=math.nan),
        lambda: gaussian(ONE, noise_multiplier=1, survivors=0),
        lambda: laplace(ONE, epsilon=0),
        lambda: laplace(ONE, epsilon=1, survivors=0),
        lambda: Sensitivity(0, 1, 1, 1),
        lambda: Sensitivity(1, math.inf, 1, 1),
        lambda: Sensitivity(1, 1, 1, 0),
    ],
)
def test_impossible_mechanisms_are_refused(wrong: Callable[[], object]) -> None:
    with pytest.raises(BadInput):
        wrong()


@pytest.mark.parametrize("bound", [1e-150, 1.0, 1e150])
@pytest.mark.parametrize("norm", ["l1", "l2", "linf"])
def test_no_vector_is_too_small_or_too_large_to_be_measured(bound: float, norm: Norm) -> None:
    for scale in (0.99, 10.0, 1e30, 1e300):
        clipped = clip([[min(bound * scale, 1e308), 0.0], [0.0, -min(bound * scale, 1e308)]], bound, norm)
        assert np.abs(clipped.values).max() <= bound
        assert clipped.clipped == (2 if scale > 1 else 0)


@pytest.mark.parametrize("bound", [1e-163, 5e-324, 1e151])
def test_a_bound_whose_squares_are_lost_is_refused(bound: float) -> None:
    with pytest.raises(BadInput, match="bound"):
        clip([[10 * bound, 0.0]], bound)


@pytest.mark.parametrize(
    "made",
    [
        lambda: gaussian(vector_sensitivity(1.0, "l2", 5), noise_multiplier=1e-300),
        lambda: gaussian(vector_sensitivity(1e-300, "l2", 5), noise_multiplier=1e-30),
        lambda: laplace(vector_sensitivity(1e-300, "l2", 5), epsilon=1e300),
        lambda: laplace(vector_sensitivity(1.0, "l2", 5), epsilon=1e300),
    ],
)
def test_noise_that_floating_point_has_no_grid_for_is_refused(made: Callable[[], object]) -> None:
    with pytest.raises(BadInput, match="cannot be drawn"):
        made()
